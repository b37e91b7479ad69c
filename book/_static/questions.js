// La page des questions : tri par lab, niveau, mot et marque, tirage de dix, marques et réponses, et
// leur export. Tout reste dans le navigateur. Sans ce script, la page est une simple liste.

"use strict";

(() => {
  const DRAWN = 10;
  const ALL = "indifférent";
  const MARKS = { "à revoir": "À revoir", sue: "Sue" };
  const notes = JSON.parse(document.getElementById("enonces").textContent);
  const root = new URL("..", location.href).pathname;
  const questions = [...document.querySelectorAll(".question")].map(read);

  function read(block) {
    const [, lab, number] = block.id.match(/^lab-(\d+)-question-(\d+)$/);
    return {
      block, lab, number, level: block.dataset.level, text: plain(block.textContent),
      key: `${location.pathname}#${block.id}`, answer: block.querySelector("details"),
    };
  }

  // « Rétropropagation » se trouve aussi sans accent.
  function plain(text) {
    return text.normalize("NFD").replace(/\p{M}/gu, "").replace(/\s+/g, " ").toLowerCase();
  }

  // Le stockage est refusé dans certains navigateurs : la page sert alors sans mémoire.
  const memory = new Map();

  function recall(key) {
    try {
      return localStorage.getItem(key);
    } catch {
      return memory.get(key) ?? null;
    }
  }

  function store(key, text) {
    try {
      if (text) localStorage.setItem(key, text);
      else localStorage.removeItem(key);
    } catch {
      memory.set(key, text);
    }
  }

  function kept({ key }) {
    try {
      const { mark = "", answer = "" } = JSON.parse(recall(key) ?? "{}");
      return { mark, answer };
    } catch {
      return { mark: "", answer: "" };
    }
  }

  function keep(question, change) {
    const { mark, answer } = { ...kept(question), ...change };
    store(question.key, mark || answer ? JSON.stringify({ mark, answer }) : "");
  }

  // --- Chaque question : ses marques, et une place où répondre ---

  function setUp(question) {
    const { block, lab, number } = question;
    const id = `${block.id}-reponse`;
    const tools = document.createElement("div");
    tools.className = "question-marks";
    tools.setAttribute("role", "group");
    tools.setAttribute("aria-label", `Question ${number} du lab ${lab}`);
    const marks = Object.entries(MARKS).map(([mark, label]) =>
      `<button type="button" data-mark="${mark}">${label}</button>`).join(" ");
    tools.innerHTML = `${marks}
      <button type="button" aria-expanded="false" aria-controls="${id}">Ma réponse</button>
      <div id="${id}" hidden><label for="${id}-texte">Ma réponse</label>
      <textarea id="${id}-texte" rows="3" autocomplete="off"></textarea></div>`;
    (question.answer ?? block.querySelector(".question-links")).before(tools);
    tools.querySelectorAll("[data-mark]").forEach((button) => {
      button.addEventListener("click", () => {
        const same = kept(question).mark === button.dataset.mark;
        keep(question, { mark: same ? "" : button.dataset.mark });
        show(question);
      });
    });
    const [opener, place] = [tools.querySelector("[aria-expanded]"), tools.querySelector("div")];
    const field = tools.querySelector("textarea");
    opener.addEventListener("click", () => {
      place.hidden = !place.hidden;
      opener.setAttribute("aria-expanded", String(!place.hidden));
      if (!place.hidden) field.focus();
    });
    field.addEventListener("input", () => keep(question, { answer: field.value.trim() }));
    question.show = ({ mark, answer }) => {
      tools.querySelectorAll("[data-mark]").forEach((button) =>
        button.setAttribute("aria-pressed", String(button.dataset.mark === mark)));
      if (document.activeElement !== field) field.value = answer;
      if (answer) {
        place.hidden = false;
        opener.setAttribute("aria-expanded", "true");
      }
    };
    show(question);
  }

  function show(question) {
    question.show(kept(question));
  }

  // --- Le tri ---

  const form = document.createElement("form");
  form.className = "question-tools";
  form.setAttribute("aria-label", "Choisir des questions");

  function choices(name, label, options) {
    const all = options.map(([value, text]) => `<option value="${value}">${text}</option>`);
    return `<div><label for="tri-${name}">${label}</label>
      <select id="tri-${name}" name="${name}"><option value="">${ALL}</option>${all.join("")}
      </select></div>`;
  }

  function compose() {
    const labs = notes.map(({ lab, title }) => [lab, title.replace(/</g, "&lt;")]);
    const levels = [...new Set(questions.map(({ level }) => level))];
    form.innerHTML = `
      ${choices("lab", "Lab", labs)}
      ${choices("level", "Niveau", levels.map((level) => [level, level]))}
      ${choices("mark", "Marque", [...Object.keys(MARKS).map((mark) => [mark, mark]),
        ["aucune", "sans marque"]])}
      <div><label for="tri-mot">Mot</label>
      <input type="search" id="tri-mot" name="word" autocomplete="off"></div>
      <p><button type="button" name="draw">${DRAWN} au hasard</button>
      ${questions.some(({ answer }) => answer)
        ? '<button type="button" name="fold" aria-pressed="false">Ouvrir les réponses</button>' : ""}
      <button type="button" name="all">Toutes les questions</button>
      <button type="button" name="export">Exporter mon carnet</button></p>
      <p role="status"></p>
      <p>Marques et réponses restent dans ce navigateur. Le carnet, un fichier Markdown, les réunit
      avec vos prédictions.</p>`;
    document.querySelector("article section > h1").parentElement
      .querySelector("section").before(form);
  }

  function matching() {
    const { lab, level, mark, word } = form.elements;
    const wanted = plain(word.value.trim());
    return questions.filter((question) =>
      (!lab.value || question.lab === lab.value)
      && (!level.value || question.level === level.value)
      && (!mark.value || (kept(question).mark || "aucune") === mark.value)
      && question.text.includes(wanted));
  }

  function display(chosen) {
    const shown = new Set(chosen);
    questions.forEach((question) => { question.block.hidden = !shown.has(question); });
    document.querySelectorAll("article section section").forEach((section) => {
      section.hidden = !section.querySelector(".question:not([hidden])");
    });
    const count = chosen.length;
    say(`${count} question${count > 1 ? "s" : ""} sur ${questions.length}`);
  }

  function say(text) {
    form.querySelector("[role=status]").textContent = text;
  }

  function draw() {
    const drawn = matching();
    for (let i = drawn.length - 1; i > 0; i -= 1) {
      const j = Math.floor(Math.random() * (i + 1));
      [drawn[i], drawn[j]] = [drawn[j], drawn[i]];
    }
    fold(false);
    display(drawn.slice(0, DRAWN));
  }

  function fold(open) {
    questions.forEach(({ answer }) => { if (answer) answer.open = open; });
    const button = form.elements.fold;
    if (!button) return;
    button.setAttribute("aria-pressed", String(open));
  }

  function reset() {
    form.reset();
    display(questions);
  }

  // --- Le carnet ---

  function quoted(text) {
    return text.trim().split(/\r?\n/).map((line) => `> ${line}`.trimEnd()).join("\n");
  }

  function predicted({ page, predictions }) {
    return predictions.flatMap((asked, rank) => {
      const text = recall(`${root}${page}#prediction-${rank + 1}`);
      return text?.trim() ? [`${asked}\n\n${quoted(text)}`] : [];
    });
  }

  function answered({ lab, questions: asked }) {
    return questions.filter((question) => question.lab === String(lab)).flatMap((question) => {
      const { mark, answer } = kept(question);
      const parts = [asked[question.number - 1]];
      if (mark) parts.push(`Marque : ${mark}`);
      if (answer) parts.push(quoted(answer));
      return parts.length > 1 ? [parts.join("\n\n")] : [];
    });
  }

  function notebook() {
    const labs = notes.flatMap((lab) => {
      const [predictions, answers] = [predicted(lab), answered(lab)];
      if (predictions.length) predictions.unshift("### Prédictions");
      if (answers.length) answers.unshift("### Questions");
      const parts = [...predictions, ...answers];
      return parts.length ? [`## ${lab.title}`, ...parts] : [];
    });
    return labs.length ? `${["# Mon carnet", ...labs].join("\n\n")}\n` : "";
  }

  function save() {
    const text = notebook();
    if (!text) {
      say("Rien à exporter : ni prédiction, ni marque, ni réponse dans ce navigateur.");
      return;
    }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/markdown" }));
    link.download = "mon-carnet.md";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    say("Carnet exporté : mon-carnet.md, dans vos téléchargements.");
  }

  // L'adresse d'une question, ou d'un lab, les montre quel que soit le tri.
  function follow() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target?.closest("[hidden]")) return;
    reset();
    target.scrollIntoView();
  }

  questions.forEach(setUp);
  compose();
  display(questions);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => display(matching()));
  form.elements.draw.addEventListener("click", draw);
  form.elements.fold?.addEventListener("click", (event) =>
    fold(event.currentTarget.getAttribute("aria-pressed") !== "true"));
  form.elements.all.addEventListener("click", reset);
  form.elements.export.addEventListener("click", save);
  addEventListener("hashchange", follow);
  // Les commandes ajoutées ont déplacé la question que l'adresse désigne.
  document.querySelector(":target")?.scrollIntoView();
})();
