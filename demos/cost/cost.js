/* La page : un budget que l'on resserre, et les façons de tirer qui y tiennent. */

(() => {
  "use strict";
  const { choice, controls, drawing, weights } = globalThis;
  const { element, field, french, panel, quiz, slider, voice } = controls;
  const { MEASURES } = choice;

  const TIMES = { low: 5e-4, high: 200 }; // secondes, l'étendue du dessin
  const SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100];
  const PARAMETERS = [300_000, 400_000, 500_000, 1_000_000, 1_500_000, 2_500_000, 3_000_000, 4_000_000];
  const NO_LIMIT = { seconds: Infinity, parameters: Infinity };

  const QUESTION = {
    title: "Avant de jouer",
    question: "Sans limite de coût, quelle façon de tirer est première à la fois pour la FID, pour le rappel et " +
      "pour la précision ?",
    choices: ["le DDIM autoguidé", "le DCGAN", "aucune"],
    right: 2,
    seen: "Le premier change avec la mesure et avec le budget. Resserrer le temps ne fait que couper le front ; " +
      "resserrer les paramètres peut le changer. Essayez l'un, puis l'autre.",
  };

  const whole = (value) => value.toLocaleString("fr-FR");
  const number = (value) => value.toLocaleString("fr-FR", { maximumSignificantDigits: 2 });
  const limit = (values, write) => (rank) => (rank < values.length ? write(values[rank]) : "sans limite");

  class Demo {
    constructor(host) {
      this.host = host;
      this.open = controls.once(() => this.load(), (text) => {
        this.status.textContent = text;
        this.voice.say(text);
      });
      this.build();
      controls.watch(this.panel.node, () => this.draw());
      controls.onFirstTouch(host, () => this.open());
    }

    build() {
      this.quiz = quiz("cost", QUESTION, (chosen) => this.launch(chosen));
      this.time = this.limitSlider("cost-time", "Durée de 64 tirages, au plus :", SECONDS,
        (value) => `${number(value)} s`);
      this.size = this.limitSlider("cost-size", "Paramètres, au plus :", PARAMETERS, whole);
      const options = Object.fromEntries(Object.entries(MEASURES).map(([name, { name: text }]) => [name, text]));
      this.form = element("form", { class: "demo-settings", "aria-label": "Budget et mesure",
        onsubmit: (event) => event.preventDefault() },
        this.time.node, this.size.node,
        field("cost", { name: "measure", label: "Mesure", options }, "fid", () => this.refresh()));
      this.status = element("p", { class: "demo-status" }, "Touchez un réglage pour charger les mesures.");
      this.voice = voice();
      this.panel = panel("front", "Qualité et coût d'un tirage",
        "plein : dans le budget ; vide : hors budget ; disque large : beaucoup de paramètres ; tirets : le front");
      this.list = element("ol", { class: "demo-bars" });
      this.title = element("p", { class: "demo-title" }, "Ce qui tient dans le budget");
      this.left = element("p", {});
      this.host.replaceChildren(this.quiz.node, this.form, this.status, this.voice.node,
        element("div", { class: "cost-sides" }, this.panel.node,
          element("div", {}, this.title, this.list, this.left)));
    }

    /* Un curseur dont la dernière place est « sans limite ». */
    limitSlider(id, label, values, write) {
      return slider({ id, label, min: 0, max: values.length, step: 1, value: values.length,
        format: limit(values, write) }, () => this.refresh());
    }

    async load() {
      this.models = await weights.load("comparison");
      this.refresh();
    }

    /* --- la question --- */

    async launch(chosen) {
      await this.open();
      [this.time.value, this.size.value] = [SECONDS.length, PARAMETERS.length];
      this.form.elements.measure.value = "fid";
      this.refresh();
      const leaders = ["fid", "recall", "precision"].map((measure) => {
        const ranked = choice.ranking(this.models, measure, NO_LIMIT);
        return `${MEASURES[measure].name}, ${this.leaders(ranked, measure)}`;
      });
      this.quiz.conclude(chosen, `En tête : ${leaders.join(" ; ")}.`);
    }

    leaders(ranked, measure) {
      const tied = choice.ties(ranked, measure).map(({ title }) => title);
      return ranked[0].title + (tied.length ? ` (non départagé de : ${tied.join(" ; ")})` : "");
    }

    /* --- le budget --- */

    get budget() {
      const at = (values, { value }) => (value < values.length ? values[value] : Infinity);
      return { seconds: at(SECONDS, this.time), parameters: at(PARAMETERS, this.size) };
    }

    refresh() {
      if (!this.models) return this.open();
      this.measure = this.form.elements.measure.value;
      this.ranked = choice.ranking(this.models, this.measure, this.budget);
      this.writeList();
      this.draw();
      const text = this.summary();
      this.status.textContent = text;
      this.voice.say(text);
      this.panel.describe(text);
    }

    summary() {
      const { name } = MEASURES[this.measure];
      if (!this.ranked.length) return "Rien ne tient dans ce budget : desserrez-le.";
      const [first] = this.ranked;
      return `${this.ranked.length} façon${this.ranked.length > 1 ? "s" : ""} de tirer sur ${this.models.length} dans le budget · ` +
        `en tête pour la mesure «\u00a0${name}\u00a0» : ${this.leaders(this.ranked, this.measure)}, ` +
        `${this.spread(first)}, ${number(first.seconds)} s pour 64 tirages`;
    }

    spread(model) {
      const { digits } = MEASURES[this.measure];
      const { mean, low, high, lots } = choice.summary(model, this.measure);
      return french(mean, digits) + (lots > 1 ? ` ± ${french((high - low) / 2, digits)}` : "");
    }

    numberOf(model) {
      return this.models.indexOf(model) + 1;
    }

    writeList() {
      const means = this.ranked.map((model) => choice.summary(model, this.measure).mean);
      const most = Math.max(...means, 1e-9);
      const tied = this.ranked.length ? choice.ties(this.ranked, this.measure) : [];
      drawing.bars(this.list, this.ranked.map((model, rank) => ({
        name: `${this.numberOf(model)}. ${model.title}`,
        share: means[rank] / most,
        text: this.spread(model),
        marked: rank === 0 || tied.includes(model),
      })));
      const order = MEASURES[this.measure].sign > 0 ? "plus vaut mieux" : "moins vaut mieux";
      this.title.textContent = `Dans le budget, ${MEASURES[this.measure].name} (${order})`;
      const [unmeasured, left] = [
        this.models.filter((model) => !choice.summary(model, this.measure)),
        this.models.filter((model) => choice.summary(model, this.measure) && !choice.fits(model, this.budget)),
      ].map((models) => models.map((model) => `${this.numberOf(model)}. ${model.title}`).join(" ; "));
      this.left.textContent = [left && `Hors budget : ${left}.`, unmeasured && `Non mesurés : ${unmeasured}.`]
        .filter(Boolean).join(" ");
    }

    /* --- dessiner --- */

    draw() {
      if (!this.models || !this.panel.canvas.clientWidth) return;
      const palette = drawing.palette(this.host);
      const [ctx, width, height] = drawing.fitted(this.panel.canvas);
      drawing.clear(ctx, width, height, palette);
      const shown = this.models.filter((model) => choice.summary(model, this.measure));
      const to = drawing.plane(width, height, { ...TIMES, log: true }, this.range());
      drawing.axes(ctx, to, {
        xTicks: { 0.001: "1 ms", 0.01: "10 ms", 0.1: "0,1 s", 1: "1 s", 10: "10 s", 100: "100 s" },
        yTicks: this.measure === "fid" ? { 3: "3", 10: "10", 30: "30", 100: "100", 300: "300" }
          : { 0: "0", 0.25: "0,25", 0.5: "0,5", 0.75: "0,75", 1: "1" },
        xLabel: "64 tirages, sur un fil", yLabel: MEASURES[this.measure].name,
      }, palette);
      this.drawBudget(ctx, to, palette);
      const place = (model) => [to.x(model.seconds), to.y(choice.summary(model, this.measure).mean)];
      this.drawFront(ctx, choice.paretoFront(this.ranked, this.measure).map(place), palette);
      const inOrder = [...shown.filter((model) => !this.ranked.includes(model)), ...[...this.ranked].reverse()];
      for (const model of inOrder) this.drawModel(ctx, model, place(model), palette);
    }

    range() {
      return this.measure === "fid" ? { low: 2, high: 400, log: true } : { low: 0, high: 1 };
    }

    drawBudget(ctx, to, { ink }) {
      const { seconds } = this.budget;
      if (seconds === Infinity) return;
      ctx.fillStyle = ink;
      ctx.globalAlpha = 0.12;
      ctx.fillRect(to.x(seconds), to.top, to.right - to.x(seconds), to.bottom - to.top);
      ctx.globalAlpha = 1;
    }

    drawFront(ctx, places, { ink }) {
      ctx.strokeStyle = ink;
      ctx.lineWidth = 1.5;
      ctx.setLineDash([6, 4]);
      ctx.beginPath();
      for (const place of places) ctx.lineTo(...place);
      ctx.stroke();
      ctx.setLineDash([]);
    }

    drawModel(ctx, model, [x, y], { ink, paper, real, drawn }) {
      const isIn = choice.fits(model, this.budget);
      const isFirst = model === this.ranked[0];
      ctx.beginPath();
      ctx.arc(x, y, 7.5 + 1.5 * Math.log2(model.parameters / 250_000), 0, 7);
      ctx.fillStyle = isFirst ? drawn : isIn ? real : paper;
      ctx.strokeStyle = ink;
      ctx.lineWidth = 1;
      ctx.fill();
      ctx.stroke();
      ctx.fillStyle = isIn ? paper : ink;
      ctx.font = "bold 11px sans-serif";
      ctx.textAlign = "center";
      ctx.fillText(String(this.numberOf(model)), x, y + 4);
    }
  }

  controls.live("cost", Demo);
})();
