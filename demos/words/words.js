/* La page : une phrase à trous, la loi d'un mot caché, ce que lit une tête, une phrase entière. */

(() => {
  "use strict";
  const { controls, drawing, nn, weights, words, workers } = globalThis;
  const { button, commands, element, field, french, quiz, slider, voice } = controls;

  const HOLE = "?"; // ce que l'on écrit à la place d'un mot caché
  const SHOWN = 8; // mots les plus probables montrés
  const LONGEST = 16; // mots d'une phrase
  const WRITTEN = 11; // mots de la phrase entière, dont le nombre se fixe d'avance
  const START = "les voisines que le berger regarde ? très fières";

  const ORDERS = { confident: "les plus sûrs d'abord", random: "au hasard", left: "de gauche à droite" };

  const QUESTION = {
    title: "Avant de jouer",
    question: `Le modèle masqué écrit ${WRITTEN} mots, un à chaque pas, le plus sûr des mots tirés d'abord. Dans quel ` +
      "ordre viennent-ils, et sont-ils toujours les plus probables ?",
    choices: ["de gauche à droite, toujours les plus probables", "de gauche à droite, pas toujours les plus probables",
      "dans un autre ordre, pas toujours les plus probables"],
    right: 2,
    seen: "Chaque mot est tiré de sa loi, où le plus probable est un candidat parmi d'autres. Un modèle masqué lit " +
      "les deux côtés d'un trou, et aucun ordre ne s'impose à lui. Cachez un mot, et comparez sa loi d'après les deux " +
      "côtés à celle d'après la gauche seule.",
  };

  const percent = (value) => (value > 0 && value < 0.01 ? "< 1 %" : `${Math.round(100 * value)} %`);

  class Demo {
    constructor(host) {
      this.host = host;
      this.open = controls.once(() => this.load(), (text) => this.say(text));
      this.at = 0;
      this.seed = 0;
      this.build();
      controls.onFirstTouch(host, () => this.open().catch(() => {}));
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
      const heads = Array.from({ length: words.STAGES * words.HEADS }, (_, k) =>
        [k, `étage ${1 + Math.floor(k / words.HEADS)}, tête ${1 + (k % words.HEADS)}`]);
      this.head = field("words", { name: "head", label: "Tête", options: Object.fromEntries(heads) }, 0,
        () => this.refresh());
      this.order = field("words", { name: "order", label: "Ordre", options: ORDERS }, "confident", () => {});
      this.form = element("form", { class: "demo-settings", "aria-label": "Réglages",
        onsubmit: (event) => { event.preventDefault(); this.readText(); } },
        this.text, this.temperature.node, this.topP.node, this.head, this.order);
      this.line = element("div", { class: "words-line", role: "group", "aria-label": "La phrase : un mot touché se cache" });
      this.status = element("p", { class: "demo-status" }, "Touchez la phrase pour charger le modèle.");
      [this.both, this.left, this.reads] = ["ol", "ol", "ul"].map((tag) => element(tag, { class: "demo-bars" }));
      const side = (title, list) => element("div", {}, element("p", { class: "demo-title" }, title), list);
      this.host.replaceChildren(this.quiz.node, this.line, this.status, this.voice.node,
        commands("Commandes", button("Tirer ce mot", () => this.drawWord(), { class: "demo-main" }),
          button("Écrire une phrase entière", () => this.writeAll())),
        element("div", { class: "words-sides" }, side("D'après les deux côtés", this.both),
          side("D'après la gauche seule", this.left), side("Ce que lit la tête", this.reads)),
        element("p", { id: "words-help" }, "Touchez un mot pour le cacher ou le remettre ; la loi montrée est celle du " +
          "dernier trou touché. Le modèle est la référence de la section 8, entraînée à toutes les parts de masques ; " +
          "la gauche seule, c'est le même modèle, dont toute la suite est masquée : les mots que lirait un modèle causal, " +
          "mais avec la longueur de la phrase, que trahit le nombre de masques. <fin> sépare deux phrases."),
        this.form);
      this.showLine(START.split(" "));
    }

    get input() {
      return this.form.elements;
    }

    /* --- charger -------------------------------------------------------------------------------- */

    async load() {
      this.say("Chargement du modèle…");
      const [vocabulary, file] = await Promise.all(["vocabulary", "lm_phrases_diffusion"].map(weights.load));
      const ask = workers.interview("words", [installLayers, installWeights, installWords]);
      await ask("load", file);
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
        : unknown ? `« ${unknown} » n'est pas l'un des ${this.vocabulary.length - 2} mots du modèle, comme ` +
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
        const rank = ranks[k] ? element("sub", {}, String(ranks[k])) : "";
        return element("button", { type: "button", class: k + 1 === this.at ? "words-at" : "",
          "aria-pressed": String(isHole), "aria-label": (isHole ? `trou, place ${k + 1}` : text) +
            (ranks[k] ? `, venu au pas ${ranks[k]}` : ""), onclick: () => this.toggle(k + 1) }, text, rank);
      }));
      if (focused >= 0 && this.line.children[focused]) this.line.children[focused].focus();
    }

    textOf(token) {
      return token === words.MASK ? HOLE : this.vocabulary[token];
    }

    /* --- la loi et l'attention ------------------------------------------------------------------ */

    async refresh(ranks = []) {
      if (!this.ids) return;
      const turn = this.turn = {};
      const [ids, at] = [[...this.ids], this.at];
      this.showLine(ids.slice(1, -1).map((token) => this.textOf(token)), ranks);
      this.input.text.value = ids.slice(1, -1).map((token) => this.textOf(token)).join(" ");
      const [maps, laws] = [await this.ask("attention", ids),
        at ? await this.ask("laws", ids, at, this.temperature.value, this.topP.value) : null];
      if (this.turn !== turn) return;
      this.laws = laws;
      this.showAttention(maps, ids, at);
      for (const side of ["both", "left"]) this.showLaw(this[side], laws && laws[side]);
      if (!ranks.length) this.say(this.summary());
    }

    showLaw(list, law) {
      const best = law ? law.map((_, token) => token).sort((a, b) => law[b] - law[a]).slice(0, SHOWN) : [];
      drawing.bars(list, best.filter((token) => law[token] > 0).map((token) => ({
        name: this.textOf(token), share: law[token], text: percent(law[token]), marked: token === best[0] })));
    }

    showAttention(maps, ids, at) {
      const k = Number(this.input.head.value);
      const row = maps[Math.floor(k / words.HEADS)][k % words.HEADS][at];
      drawing.bars(this.reads, ids.map((token, place) => ({
        name: this.textOf(token), share: row[place], text: percent(row[place]), marked: place === at })));
    }

    summary() {
      if (!this.at) return "Aucun mot caché : touchez-en un.";
      const name = (law) => {
        const best = law.indexOf(Math.max(...law));
        return `« ${this.textOf(best)} » à ${percent(law[best])}`;
      };
      const kept = this.laws.both.filter((value) => value > 0).length;
      return `Place ${this.at}, le plus probable : d'après les deux côtés, ${name(this.laws.both)} ; d'après la gauche ` +
        `seule, ${name(this.laws.left)} · mots gardés par top-p : ${kept}`;
    }

    /* --- tirer ---------------------------------------------------------------------------------- */

    async drawWord() {
      await this.open();
      const place = this.at;
      if (!place) return this.say("Aucun mot caché : touchez-en un.");
      const { both: law } =
        await this.ask("laws", this.ids, place, this.temperature.value, this.topP.value);
      if (this.at !== place) return; // un autre geste l'a devancé
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
      this.say(`Écrit, ${ORDERS[rules.order]} : ${this.ids.slice(1, -1).map((token) => this.textOf(token)).join(" ")}. ` +
        `Chaque indice est le pas où le mot est venu ; mots qui n'étaient pas les plus probables : ${others}.`);
      return written;
    }
  }

  controls.live("words", Demo);
})();
