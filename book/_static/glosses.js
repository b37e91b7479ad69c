// Termes, symboles et citations montrent leur explication, que tools/glosses.py a marquée : au survol,
// au clavier, au premier toucher d'un doigt. Échap la referme. Les textes, dans gloss_data.js, ne sont
// chargés qu'à la première demande.

"use strict";

(() => {
  const SOON = 250; // ms de survol avant de montrer, et le temps d'aller sur l'explication
  const GAP = 6; // pixels entre le mot et son explication
  const root = document.documentElement.dataset.content_root || "./";
  const marked = [...document.querySelectorAll("[data-gloss]")];
  if (!marked.length) return;

  const box = document.createElement("div");
  box.id = "gloss";
  box.setAttribute("role", "tooltip");
  box.hidden = true;
  document.querySelector("article").append(box);

  let loading = null;
  let shown = null; // l'élément expliqué
  let wanted = null; // celui qui le sera
  let timer = null;
  let touched = null; // ce qui était expliqué quand le doigt s'est posé
  let isTouch = false; // le clic qui suit vient d'un doigt ; tous les navigateurs ne le disent pas

  function load() {
    loading ??= new Promise((resolve) => {
      const script = document.createElement("script");
      script.src = `${root}_static/gloss_data.js`;
      script.onload = () => resolve(window.GLOSSES);
      script.onerror = () => {
        loading = null; // le réseau reviendra peut-être
        resolve({});
      };
      document.head.append(script);
    });
    return loading;
  }

  async function show(element) {
    clearTimeout(timer);
    wanted = element;
    if (shown === element) return;
    const texts = await load();
    if (wanted !== element || !texts[element.dataset.gloss]) return;
    hide();
    wanted = shown = element;
    box.innerHTML = texts[element.dataset.gloss];
    box.hidden = false;
    element.setAttribute("aria-describedby", box.id);
    place(element);
  }

  function hide() {
    clearTimeout(timer);
    wanted = null;
    shown?.removeAttribute("aria-describedby");
    shown = null;
    box.hidden = true;
  }

  // Sous le mot, ou au-dessus s'il est trop bas ; dans la largeur de l'article.
  function place(element) {
    const word = element.getClientRects()[0];
    const frame = box.offsetParent.getBoundingClientRect();
    const left = Math.max(0, Math.min(word.left - frame.left, frame.width - box.offsetWidth));
    const below = word.bottom + GAP + box.offsetHeight <= innerHeight;
    const above = !below && word.top - GAP - box.offsetHeight >= 0;
    const top = above ? word.top - GAP - box.offsetHeight : word.bottom + GAP;
    box.style.left = `${left}px`;
    box.style.top = `${top - frame.top}px`;
  }

  function later(action) {
    clearTimeout(timer);
    timer = setTimeout(action, SOON);
  }

  const wordOf = (event) => event.target.closest?.("[data-gloss]");

  document.addEventListener("pointerover", (event) => {
    if (event.pointerType === "touch") return;
    const element = wordOf(event);
    if (element) later(() => show(element));
    else if (box.contains(event.target)) clearTimeout(timer);
    else if (shown !== document.activeElement) later(hide);
  });

  document.addEventListener("focusin", (event) => {
    const element = wordOf(event);
    if (element) show(element);
    else hide();
  });
  document.addEventListener("focusout", (event) => wordOf(event) && hide());

  document.addEventListener("pointerdown", (event) => {
    isTouch = event.pointerType === "touch";
    touched = isTouch ? shown : event.target;
    if (!wordOf(event) && !box.contains(event.target)) hide();
  });

  // Au doigt, le premier toucher explique ; le second suit le lien.
  document.addEventListener("click", (event) => {
    const element = wordOf(event);
    if (!element) return;
    if (isTouch && touched !== element) event.preventDefault();
    if (isTouch || !element.href) show(element);
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && shown) hide();
  });

  // Un symbole n'est pas un lien : sans ce script, rien n'y arrêterait le clavier.
  for (const element of marked) if (!element.href) element.setAttribute("tabindex", "0");
})();
