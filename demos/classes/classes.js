/* La page : dix classes d'un même code, dix codes d'une même classe. */

(() => {
  "use strict";
  const { classes, controls, drawing, nn, weights, workers } = globalThis;
  const { button, commands, element, field, french, panel, quiz, readField, slider, voice, whole } = controls;
  const { CLASSES, LATENT } = classes;

  const COUNT = 10; // images d'une rangée
  const MODELS = ["cvae_small", "classifier"];

  const QUESTION = {
    title: "Avant de jouer",
    question: "On garde un même code z, tiré au hasard, et l'on demande tour à tour les dix classes. Que " +
      "dessine le décodeur ?",
    choices: ["dix fois le même chiffre : z contient la classe",
      "les dix chiffres, de la même épaisseur et de la même inclinaison",
      "les dix chiffres, sans rien de commun"],
    right: 1,
    action: "Demander les dix classes",
    seen: "La classe est donnée à part : z n'a pas à la porter, et garde la façon d'écrire. Sur trois cents codes, " +
      "et une fois ôtée la moyenne de chaque classe, ce que les dix chiffres d'un même code ont en commun fait plus " +
      "de neuf dixièmes de la variance du gris moyen et de celle de l'inclinaison. " +
      "Déplacez un curseur : les dix chiffres changent ensemble.",
  };

  const FIELDS = [
    { name: "label", label: "Classe de la seconde rangée", read: Number,
      options: Object.fromEntries(Array.from({ length: CLASSES }, (_, k) => [k, String(k)])) },
    { name: "seed", label: "Graine des codes", read: whole(0, 999999) },
  ];

  const signed = (value) => french(value, 1).replace("-", "−");

  class Demo {
    constructor(host) {
      this.host = host;
      this.open = controls.once(() => this.load(), (text) => this.say(text));
      this.rows = { classes: [], codes: [] };
      this.build();
      this.setSeed();
      controls.watch(this.host, () => this.draw());
      controls.onFirstTouch(host, () => this.open());
    }

    build() {
      this.quiz = quiz("cl", QUESTION, (chosen) => this.test(chosen));
      this.form = element("form", { class: "demo-settings", "aria-label": "Classe et graine",
        onsubmit: (event) => event.preventDefault() },
        ...FIELDS.map((f) => field("cl", f, { label: 4, seed: 0 }[f.name], (name) => this.changed(name))));
      this.sliders = Array.from({ length: LATENT }, (_, k) => slider({ id: `cl-z${k + 1}`, label: `z${k + 1}`,
        min: -3, max: 3, step: 0.1, value: 0, format: signed }, () => this.refresh()));
      this.status = element("p", { class: "demo-status" }, "Touchez un réglage pour charger le décodeur.");
      this.voice = voice();
      this.panels = {
        classes: panel("classes", "Dix classes, un code z", "classes 0 à 9, le z des curseurs"),
        codes: panel("codes", "Une classe, dix codes z", "le z des curseurs d'abord, puis neuf tirages"),
      };
      for (const { node } of Object.values(this.panels)) node.classList.add("classes-row");
      // Les boutons avant les champs : une erreur qui paraît ne les déplace pas sous le doigt.
      this.host.replaceChildren(this.quiz.node,
        commands("Le code z", button("Tirer un z", () => this.drawCode()),
          button("z = 0", () => this.setCode(new Array(LATENT).fill(0)))),
        this.form,
        this.status, this.voice.node, this.panels.classes.node, this.panels.codes.node,
        element("details", {}, element("summary", {}, "Déplacer les dix coordonnées de z"),
          element("div", { class: "demo-settings" }, ...this.sliders.map(({ node }) => node))));
    }

    /* --- les réglages --- */

    get code() {
      return this.sliders.map(({ value }) => value);
    }

    setCode(z) {
      z.forEach((value, k) => { this.sliders[k].value = value; });
      return this.refresh();
    }

    /* Un z de N(0, I), arrondi et borné comme le sont les curseurs. */
    drawCode() {
      return this.setCode(Array.from({ length: LATENT }, () =>
        Math.round(10 * Math.min(3, Math.max(-3, this.random.normal()))) / 10));
    }

    /* Les neuf codes de la seconde rangée, et la suite des tirages. */
    setSeed() {
      this.random = nn.random(Number(this.form.elements.seed.value));
      this.others = Array.from({ length: COUNT - 1 }, () =>
        Array.from({ length: LATENT }, this.random.normal));
    }

    changed(name) {
      const { read } = FIELDS.find((f) => f.name === name);
      if (readField(this.form.elements[name], read) === null) return;
      if (name === "seed") this.setSeed();
      return this.refresh();
    }

    /* --- décoder --- */

    async load() {
      this.say("Chargement du décodeur…");
      const files = await Promise.all(MODELS.map(weights.load));
      const ask = workers.interview("classes",
        [installLayers, installWeights, installClassifier, installClasses], (text) => this.say(text));
      await Promise.all(MODELS.map((name, rank) => ask("load", name, files[rank])));
      this.ask = ask;
      return this.refresh();
    }

    /* Redessine les deux rangées ; si un réglage change entre-temps, seul le dernier compte. */
    async refresh() {
      this.isStale = true;
      if (!this.ask) return this.open();
      this.decoding = this.decoding || this.decode();
      return this.decoding;
    }

    async decode() {
      try {
        while (this.isStale) await this.decodeRows();
        this.say(this.summary());
      } finally {
        this.decoding = null;
      }
    }

    async decodeRows() {
      this.isStale = false;
      const { code } = this;
      const label = Number(this.form.elements.label.value);
      this.rows = {
        classes: await this.ask("decodeAll", Array.from({ length: CLASSES }, (_, k) => [code, k])),
        codes: await this.ask("decodeAll", [code, ...this.others].map((z) => [z, label])),
        label,
      };
      this.draw();
    }

    async test(chosen) {
      await this.open();
      await this.drawCode();
      const read = this.rows.classes.map((drawn) => drawn.read).join(" ");
      this.quiz.conclude(chosen, `Demandées : 0 1 2 3 4 5 6 7 8 9 ; lues par le classifieur : ${read}.`);
    }

    /* --- montrer --- */

    summary() {
      const { classes: first, codes, label } = this.rows;
      const followed = first.filter(({ read }, k) => read === k).length;
      const kept = codes.filter(({ read }) => read === label).length;
      return `Dix classes : ${followed} lues comme demandées · classe ${label} : ${kept} codes sur ${COUNT} lus ` +
        `comme un ${label}.`;
    }

    say(text) {
      this.status.textContent = text;
      this.voice.say(text);
    }

    draw() {
      for (const [name, { canvas, describe }] of Object.entries(this.panels)) {
        const drawn = this.rows[name];
        if (!drawn.length || !canvas.clientWidth) continue;
        const [ctx, width] = drawing.fitted(canvas);
        const size = width / 5;
        drawn.forEach(({ image }, k) =>
          drawing.pixels(ctx, image, 28, (k % 5) * size, Math.floor(k / 5) * size, size));
        describe(`Le classifieur y lit : ${drawn.map(({ read }) => read).join(" ")}.`);
      }
    }
  }

  controls.live("classes", Demo);
})();
