// La page s'imprime en clair, quel que soit le mode, et réponses ouvertes ou fermées au choix du menu.

"use strict";

(() => {
  const root = document.documentElement;
  const folds = () => [...document.querySelectorAll("article details")];
  let kept = null; // le mode, et ce qui était déplié

  addEventListener("beforeprint", () => {
    kept ??= { theme: root.dataset.theme, opened: folds().filter((fold) => fold.open) };
    root.dataset.theme = "light";
  });

  addEventListener("afterprint", () => {
    if (kept === null) return;
    root.dataset.theme = kept.theme;
    folds().forEach((fold) => (fold.open = kept.opened.includes(fold)));
    kept = null;
  });

  // Une image que l'on n'a pas encore vue n'est pas chargée.
  async function loadImages() {
    const images = [...document.querySelectorAll("article img.only-light, article img:not([class])")];
    images.forEach((image) => (image.loading = "eager"));
    await Promise.all(images.map((image) => image.decode().catch(() => {})));
  }

  async function printPage(button) {
    dispatchEvent(new Event("beforeprint"));
    folds().forEach((fold) => (fold.open = button.dataset.print === "ouvertes"));
    await loadImages();
    print();
    dispatchEvent(new Event("afterprint"));
  }

  document.querySelectorAll("button[data-print]").forEach((button) => {
    button.addEventListener("click", () => printPage(button));
  });
})();
