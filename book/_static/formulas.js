// Une formule plus large que la page rapetisse jusqu'à y tenir. En deçà d'une taille lisible, elle
// défile, et le clavier l'atteint alors.

"use strict";

(() => {
  const SMALLEST = 0.65;

  function fit(formula) {
    const container = formula.querySelector("mjx-container");
    const box = formula.parentElement.closest("p, li, td, dd, .math, div");
    container.style.removeProperty("font-size");
    formula.removeAttribute("tabindex");
    const available = box.clientWidth;
    const needed = container.querySelector("mjx-math").getBoundingClientRect().width;
    if (available === 0 || needed <= available) return;
    const scale = Math.max(SMALLEST, (available / needed) * 0.98);
    container.style.fontSize = `${100 * scale}%`;
    if (formula.scrollWidth > formula.clientWidth + 1) formula.tabIndex = 0;
  }

  const fitAll = () => document.querySelectorAll(".bd-article .math").forEach(fit);

  function start() {
    MathJax.startup.promise.then(() => {
      fitAll();
      window.addEventListener("resize", fitAll);
      // Une formule repliée n'a pas de largeur : elle se mesure quand elle paraît.
      document.addEventListener("toggle", fitAll, true);
      document.addEventListener("submit", fitAll);
    });
  }

  if (window.MathJax) window.addEventListener("load", start);
})();
