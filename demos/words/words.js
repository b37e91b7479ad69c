/* La page : une phrase à trous, les lois d'un mot caché, ce que lit une tête, une phrase entière. */

(() => {
  "use strict";
  const { controls, drawing, nn, weights, words, workers } = globalThis;
  const { button, commands, element, field, french, quiz, slider, voice } = controls;

  const HOLE = "?"; // ce que l'on écrit à la place d'un mot caché
  const SHOWN = 8; // mots les plus probables montrés
  const LONGEST = 16; // mots d'une phrase
  const WRITTEN = 11; // mots de la phrase entière, dont le nombre se fixe d'avance
  const START = "les voisines que le berger regarde ? très fières";

  const MODELS = { masked: "masqué", causal: "causal" };
  const ORDERS = { confident: "masqué, les plus sûrs d'abord", random: "masqué, au hasard",
    causal: "causal, de gauche à droite" };
  const NO_HOLE = "Aucun mot caché : touchez un mot pour le cacher.";
  const HOLE_BEFORE = "Un trou reste à gauche, et le modèle causal n'en a jamais vu.";

  /* Une entrée par tête : « causal 1 3 » est la quatrième tête du second étage du modèle causal. */
  const HEADS = Object.fromEntries(Object.entries(words.STAGES).flatMap(([name, stages]) =>
    Array.from({ length: stages * words.HEADS }, (_, k) => {
      const [stage, head] = [Math.floor(k / words.HEADS), k % words.HEADS];
      return [`${name} ${stage} ${head}`, `${MODELS[name]}, étage ${1 + stage}, tête ${1 + head}`];
    })));

  const QUESTION = {
    title: "Avant de jouer",
    question: `Le modèle masqué écrit ${WRITTEN} mots, un à chaque pas, le plus sûr des mots tirés d'abord. Dans quel ` +
      "ordre viennent-ils, et sont-ils toujours les plus probables ?",
    choices: ["de gauche à droite, toujours les plus probables", "de gauche à droite, pas toujours les plus probables",
      "dans un autre ordre, pas toujours les plus probables"],
    right: 2,
    seen: "Chaque mot est tiré de sa loi, où le plus probable est un candidat parmi d'autres. Le modèle masqué lit " +
      "les deux côtés d'un trou, et aucun ordre ne s'impose à lui ; le modèle causal, qui lit la gauche, écrit de " +
      "gauche à droite. Cachez un mot, et comparez leurs deux lois.",
  };

  const percent = (value) => (value > 0 && value < 0.01 ? "< 1 %" : `${Math.round(100 * value)} %`);

  class Demo {
    constructor(host) {
      this.host = host;
      this.open = controls.once(() => this.load(), (text) => this.say(text));
      this.at = 0;
      this.seed = 0;
      this.build();
      controls.onFirstTouch(host, () => this.open());
    }

    build() {
      this.quiz = quiz("words", QUESTION, (chosen) => this.launch(chosen));
      this.voice = voice();
      this.text = field("words", { name: "text", label: "Phrase", hint: `${HOLE} cache un mot` }, START,
        () => this.readText());
      this.temperature = slider({ id: "words-temperature", label: "Température :", min: 0.1, max: 2, step: 0.1, value: 1,
        format: (value) => french(value, 1) }, () => this.refresh());
      this.topP = slider({ id: "words-top-p", label: "Top-p :", min: 0.1, max: 1, step: 0.05, value: 1,
        format: (value) => french(value, 2) }, () => this.refresh());
      this.head = field("words", { name: "head", label: "Tête", options: HEADS }, "masked 0 0", () => this.refresh());
      this.order = field("words", { name: "order", label: "Phrase entière", options: ORDERS }, "confident", () => {});
      this.form = element("form", { class: "demo-settings", "aria-label": "Réglages",
        onsubmit: (event) => { event.preventDefault(); return this.readText(); } },
        this.text, this.temperature.node, this.topP.node, this.head, this.order);
      this.line = element("div", { class: "words-line", role: "group", "aria-label": "La phrase : un mot touché se cache" });
      this.status = element("p", { class: "demo-status" }, "Touchez la phrase pour charger les modèles.");
      [this.masked, this.causal, this.reads] = ["ol", "ol", "ul"].map((tag) => element(tag, { class: "demo-bars" }));
      this.map = element("div", { class: "words-map", role: "img", "aria-label": "Poids d'attention, pas encore calculés" });
      const side = (title, ...nodes) => element("div", {}, element("p", { class: "demo-title" }, title), ...nodes);
      this.host.replaceChildren(this.quiz.node, this.line, this.status, this.voice.node,
        commands("Commandes", button("Tirer ce mot", () => this.drawWord(), { class: "demo-main" }),
          button("Écrire une phrase entière", () => this.writeAll())),
        element("div", { class: "words-sides" }, side("Modèle masqué, d'après les deux côtés", this.masked),
          side("Modèle causal, d'après la gauche", this.causal), side("Ce que lit la tête", this.reads, this.map)),
        element("p", { id: "words-help" }, "Touchez un mot pour le cacher ou le remettre ; les lois montrées sont celles " +
          "du dernier trou touché, et « Tirer ce mot » suit celle du modèle masqué. Dans le carré, une ligne par mot qui " +
          "lit, une colonne par mot lu ; les barres reprennent la ligne encadrée, d'où se prédit le mot caché : sa propre " +
          "ligne pour le modèle masqué, celle du mot précédent pour le modèle causal."),
        element("p", {}, "Une température basse favorise les mots probables ; le top-p écarte les moins probables ; une " +
          "tête est l'une des moyennes pondérées que calcule un étage. <fin> sépare deux phrases. Le modèle masqué voit " +
          `celui qui clôt les ${WRITTEN} mots à écrire ; le modèle causal l'ignore, et sa dernière phrase est souvent coupée.`),
        this.form);
      this.showLine(START.split(" "));
    }

    get input() {
      return this.form.elements;
    }

    /* --- charger -------------------------------------------------------------------------------- */

    async load() {
      this.say("Chargement des modèles…");
      const [vocabulary, masked, causal] =
        await Promise.all(["vocabulary", "lm_phrases_diffusion", "lm_phrases_causal"].map(weights.load));
      const ask = workers.interview("words", [installLayers, installWeights, installWords],
        (text) => this.say(text));
      await ask("load", { masked, causal });
      this.vocabulary = vocabulary;
      this.numbers = new Map(vocabulary.map((word, token) => [word, token]));
      this.ask = ask;
      await this.parse();
    }

    say(text) {
      this.status.textContent = text;
      this.voice.say(text);
    }

    /* --- la phrase ------------------------------------------------------------------------------ */

    async readText() {
      await this.open();
      await this.parse();
    }

    /* Lit le champ ; un mot inconnu est refusé à côté, et la phrase précédente reste. */
    async parse() {
      const given = this.input.text.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
      const unknown = given.find((word) => word !== HOLE &&
        (!this.numbers.has(word) || this.numbers.get(word) === words.MASK));
      const problem = !given.length ? `Écrivez au moins un mot, ou ${HOLE}.`
        : given.length > LONGEST ? `${LONGEST} mots au plus sont attendus, il y en a ${given.length}.`
        : unknown ? `« ${unknown} » n'est pas l'un des ${this.vocabulary.length - 2} mots des modèles, comme ` +
          "« chat », « chats », « regarde » ou « très »." : "";
      controls.complain(this.input.text, problem);
      if (problem) return this.say(problem);
      this.ids = [words.END, ...given.map((word) => (word === HOLE ? words.MASK : this.numbers.get(word))), words.END];
      this.hidden = new Map();
      this.at = words.blanks(this.ids)[0] || 0;
      await this.refresh();
    }

    /* Cache le mot de cette place, ou remet celui qui y était. */
    async toggle(place) {
      await this.open();
      if (!this.ids || place > this.ids.length - 2) return; // la phrase a changé pendant le chargement
      if (this.ids[place] !== words.MASK) {
        this.hidden.set(place, this.ids[place]);
        this.ids[place] = words.MASK;
        this.at = place;
      } else if (this.at !== place) {
        this.at = place;
      } else if (this.hidden.has(place)) {
        this.ids[place] = this.hidden.get(place);
        this.at = words.blanks(this.ids)[0] || 0;
      }
      await this.refresh();
      this.line.children[place - 1]?.focus();
    }

    showLine(texts, ranks = []) {
      const focused = [...this.line.children].indexOf(document.activeElement);
      this.line.replaceChildren(...texts.map((text, k) => {
        const isHole = text === HOLE;
        const rank = ranks[k]
          ? [element("span", { class: "demo-hidden" }, ", venu au pas "), element("sub", {}, String(ranks[k]))] : [];
        return element("button", { type: "button", class: k + 1 === this.at ? "words-at" : "",
          "aria-pressed": String(isHole), "aria-label": isHole && `trou, place ${k + 1}`,
          onclick: () => this.toggle(k + 1) }, text, ...rank);
      }));
      if (focused >= 0 && this.line.children[focused]) this.line.children[focused].focus();
    }

    textOf(token) {
      return token === words.MASK ? HOLE : this.vocabulary[token];
    }

    /* --- les lois et l'attention ---------------------------------------------------------------- */

    async refresh(ranks = []) {
      if (!this.ids) return this.open();
      const turn = this.turn = {};
      const [ids, at] = [[...this.ids], this.at];
      this.showLine(ids.slice(1, -1).map((token) => this.textOf(token)), ranks);
      this.input.text.value = ids.slice(1, -1).map((token) => this.textOf(token)).join(" ");
      const [name, stage, head] = this.input.head.value.split(" ");
      const [maps, laws] = [await this.ask("attention", name, ids),
        at ? await this.ask("laws", ids, at, this.temperature.value, this.topP.value) : {}];
      if (this.turn !== turn) return;
      this.laws = laws;
      this.showAttention(name, maps[stage][head], ids, at);
      for (const model of Object.keys(MODELS)) this.showLaw(this[model], laws[model]);
      if (!ranks.length) this.say(this.summary());
    }

    showLaw(list, law) {
      if (!law) return list.replaceChildren(element("li", {}, this.at ? HOLE_BEFORE : NO_HOLE));
      const best = law.map((_, token) => token).sort((a, b) => law[b] - law[a]).slice(0, SHOWN);
      drawing.bars(list, best.filter((token) => law[token] > 0).map((token) => ({
        name: this.textOf(token), share: law[token], text: percent(law[token]), marked: token === best[0] })));
    }

    /* Les poids d'une tête : la ligne d'où le mot caché se prédit, en barres, et toute la carte. */
    showAttention(name, map, ids, at) {
      const reader = name === "causal" ? at - 1 : at;
      const row = at && map[reader];
      if (row) {
        drawing.bars(this.reads, row.map((share, place) => ({
          name: this.textOf(ids[place]), share, text: percent(share), marked: place === reader })));
      } else this.reads.replaceChildren(at ? element("li", {}, HOLE_BEFORE) : "");
      this.map.style.setProperty("--count", map.length);
      this.map.setAttribute("aria-label", `Poids d'attention, ${HEADS[this.input.head.value]} : une ligne par mot qui ` +
        `lit, ${name === "causal" ? "où rien n'est lu à droite" : "où tout peut être lu"}.`);
      this.map.replaceChildren(...map.map((weights, t) =>
        element("div", { class: row && t === reader ? "words-reader" : "" },
          ...weights.map((weight) => element("span", { style: `--weight: ${weight.toFixed(3)}` })))));
    }

    summary() {
      const { masked, causal } = this.laws;
      if (!masked) return NO_HOLE;
      const name = (law) => {
        const best = law.indexOf(Math.max(...law));
        return `« ${this.textOf(best)} » à ${percent(law[best])}`;
      };
      const kept = masked.filter((value) => value > 0).length;
      return `Place ${this.at}, le plus probable : modèle masqué, ${name(masked)} ; modèle causal, ` +
        `${causal ? name(causal) : "rien, un trou reste à gauche"} · mots gardés par top-p, modèle masqué : ${kept}`;
    }

    /* --- tirer ---------------------------------------------------------------------------------- */

    async drawWord() {
      await this.open();
      const [place, read] = [this.at, [...this.ids]];
      if (!place) return this.say(NO_HOLE);
      const { masked: law } = await this.ask("laws", read, place, this.temperature.value, this.topP.value);
      if (this.at !== place || String(this.ids) !== String(read)) return; // un autre geste l'a devancé
      const token = words.pick(law, nn.random(this.seed++).uniform());
      this.ids[place] = token;
      this.at = words.blanks(this.ids)[0] || 0;
      await this.refresh();
      const isBest = law[token] === Math.max(...law);
      this.say(`Tiré à la place ${place} : « ${this.textOf(token)} », de probabilité ${percent(law[token])}` +
        `${isBest ? ", le plus probable" : ", qui n'était pas le plus probable"}.`);
    }

    async launch(chosen) {
      await this.open();
      [this.temperature.value, this.topP.value, this.seed] = [1, 1, 0];
      this.input.order.value = "confident";
      this.quiz.say("Le modèle écrit…");
      const { kept } = await this.writeAll();
      const others = kept.filter(({ isLikeliest }) => !isLikeliest).length;
      this.quiz.conclude(chosen, `Places remplies, dans l'ordre : ${kept.map(({ place }) => place).join(", ")} ; ` +
        `mots qui n'étaient pas les plus probables : ${others} sur ${kept.length}.`);
    }

    async writeAll() {
      await this.open();
      const random = nn.random(this.seed++);
      const us = Array.from({ length: WRITTEN * (WRITTEN + 1) }, () => random.uniform());
      const blank = [words.END, ...new Array(WRITTEN).fill(words.MASK), words.END];
      const rules = { order: this.input.order.value, temperature: this.temperature.value, topP: this.topP.value };
      const written = await this.ask("write", blank, rules, us);
      this.ids = written.text;
      this.hidden = new Map();
      this.at = 0;
      const ranks = [];
      written.kept.forEach(({ place }, rank) => { ranks[place - 1] = rank + 1; });
      await this.refresh(ranks);
      const others = written.kept.filter(({ isLikeliest }) => !isLikeliest).length;
      this.say(`Modèle ${ORDERS[rules.order]} : ${this.ids.slice(1, -1).map((token) => this.textOf(token)).join(" ")}. ` +
        `Chaque indice est le pas où le mot est venu ; mots qui n'étaient pas les plus probables : ${others}.`);
      return written;
    }
  }

  controls.live("words", Demo);
})();
