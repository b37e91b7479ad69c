// Chaque prédiction devient une place pour écrire. La réponse, que tools/pages.py a marquée, reste
// voilée jusqu'à ce que l'on ait écrit, ou demandé à voir. Rien ne quitte le navigateur.

"use strict";

(() => {
  const key = (block) => `${location.pathname}#${block.id}`;

  // Le stockage est refusé dans certains navigateurs : la page sert alors sans mémoire.
  function recall(block) {
    try {
      return localStorage.getItem(key(block));
    } catch {
      return null;
    }
  }

  function remember(block, text) {
    try {
      localStorage.setItem(key(block), text);
    } catch {
      /* la réponse est montrée quand même */
    }
  }

  function setUp(block) {
    const number = block.id.replace("prediction-", "");
    const answer = [...document.querySelectorAll(`[data-prediction="${number}"]`)];
    const form = document.createElement("form");
    form.innerHTML = `
      <label for="${block.id}-texte">Votre prédiction</label>
      <textarea id="${block.id}-texte" rows="2" autocomplete="off"></textarea>
      <p><button type="submit">Voir le résultat</button>
      <span>Il s'affiche plus bas. Votre texte reste dans ce navigateur.</span></p>`;
    const [field, button] = [form.querySelector("textarea"), form.querySelector("button")];
    const recalled = document.createElement("blockquote");
    recalled.className = "prediction-rappel";

    function reveal() {
      answer.forEach((element) => element.removeAttribute("hidden"));
      recalled.textContent = field.value.trim();
      recalled.hidden = !recalled.textContent;
      form.querySelector("p").hidden = true;
    }

    function save() {
      remember(block, field.value);
      reveal();
    }

    // « until-found » : la recherche du navigateur ouvre ce qu'elle trouve.
    answer.forEach((element) => {
      element.setAttribute("hidden", "until-found");
      element.addEventListener("beforematch", reveal);
    });
    answer[0].before(recalled);
    recalled.hidden = true;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      save();
    });
    field.addEventListener("change", () => field.value.trim() && save());
    block.append(form);
    const earlier = recall(block);
    if (earlier !== null) {
      field.value = earlier;
      reveal();
    }
  }

  document.querySelectorAll(".prediction").forEach(setUp);
})();
