/* La page : un tirage que l'on règle, que l'on regarde se faire et que l'on remonte, pas à pas. */

(() => {
  "use strict";
  const { controls, diffusion, diffusionQuestions: QUESTIONS, drawing, nn, weights, workers } = globalThis;
  const { button, commands, element, field, french, panel, quiz, readField, slider, voice, whole } = controls;
  const { NO_CLASS, SIDE, TIMESTEPS, level } = diffusion;

  const NINE = 9; // images comparées, et le nombre de pas de chacune
  const NINE_STEPS = 10;
  const CALM = controls.prefersCalm();

  const FIELDS = [
    { name: "sampler", label: "Méthode", read: Number,
      options: { 0: "DDIM, sans hasard", 1: "η = 1, un bruit par pas" } },
    { name: "steps", label: "Nombre de pas", read: Number, options: {
      5: "5", 10: "10", 20: "20", 50: "50", 100: "100", 1000: "1 000 (une minute)" } },
    { name: "label", label: "Classe", read: Number, options: {
      ...Object.fromEntries(Array.from({ length: 10 }, (_, k) => [k, String(k)])), [NO_CLASS]: "sans classe" } },
    { name: "seed", label: "Graine", read: whole(0, 999999) },
  ];
  const DEFAULTS = { sampler: 0, steps: 20, label: 3, seed: 0 };

  const PANELS = {
    x: ["L'image bruitée x_t", "ce que lit le réseau"],
    noise: ["Le bruit prédit ε̂", "gris moyen : 0"],
    x0: ["L'image devinée x̂0", "x_t sans le bruit prédit"],
    curve: ["Au fil du tirage", "trait plein : 1 − ᾱ ; points : un départ régulier ; tirets : écart de x̂0 à l'image finale"],
    before: ["Neuf graines, avant", "les neuf images d'avant"],
    nine: ["Neuf graines", "graine choisie et les huit suivantes"],
  };

  /* --- un tirage ---------------------------------------------------------------------------------- */

  const gaussian = (random) => Float32Array.from({ length: SIDE * SIDE }, random.normal);

  /* Donne chaque pas { t, x, x0, noise, next } du bruit à l'image ; `ask` interroge le worker. */
  async function* descend(ask, { seed, steps, sampler: eta, label, guidance }) {
    const random = nn.random(seed);
    let x = gaussian(random);
    const visited = [...diffusion.times(steps), -1];
    for (let k = 0; k < steps; k++) {
      const [t, after] = [visited[k], visited[k + 1]];
      const fresh = eta ? gaussian(random) : null;
      const found = await ask("step", { x, t, after, label, guidance, eta, fresh });
      yield { t, x, ...found };
      x = found.next;
    }
  }

  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const toGray = (x) => x.map((value) => (value + 1) / 2);

  /* L'écart quadratique moyen, par pixel, de deux images dans [-1, 1]. */
  const gap = (a, b) => Math.sqrt(mean(Float64Array.from(a, (value, k) => (value - b[k]) ** 2)));

  /* Écart type des pixels, en moyenne, comme labkit.metrics.diversity ; et gris moyen. */
  function diversity(images) {
    return mean(Float64Array.from(images[0], (_, k) => {
      const centre = mean(images.map((image) => image[k]));
      const squares = images.reduce((sum, image) => sum + (image[k] - centre) ** 2, 0);
      return Math.sqrt(squares / (images.length - 1));
    }));
  }

  const ink = (images) => mean(images.map((image) => mean(image)));

  /* --- la démonstration --------------------------------------------------------------------------- */

  class Demo {
    constructor(host) {
      this.host = host;
      this.open = controls.once(() => this.load(), (text) => this.say(text));
      this.frames = []; // les pas d'un tirage, puis l'image finie
      this.gaps = null;
      this.turn = 0; // rang du dernier tirage demandé : un plus ancien s'arrête
      this.sets = { before: null, nine: null };
      this.build();
      this.pose("noise");
      controls.watch(this.panels, () => this.draw());
      controls.onFirstTouch(host, () => this.open());
    }

    build() {
      this.asked = element("div");
      this.guidance = slider({ id: "df-guidance", label: "Guidage s", min: 0, max: 8, step: 0.5, value: 1,
        format: (value) => french(value, 1) }, () => {});
      this.form = element("form", { class: "demo-settings", "aria-label": "Réglages du tirage",
        onsubmit: (event) => { event.preventDefault(); return this.drawOne(); } },
        ...FIELDS.map((f) => field("df", f, DEFAULTS[f.name], () => this.read())), this.guidance.node);
      this.shown = slider({ id: "df-shown", label: "Pas montré", min: 0, max: 0, step: 1, value: 0,
        format: (rank) => this.nameOf(rank) }, () => this.show());
      this.status = element("p", { class: "demo-status" }, "Réglez, puis tirez une image.");
      this.voice = voice();
      this.shownPanels = Object.fromEntries(Object.entries(PANELS).map(([name, texts]) =>
        [name, panel(name, ...texts)]));
      this.panels = element("div", { class: "demo-panels" },
        ...Object.values(this.shownPanels).map(({ node }) => node));
      // Les boutons avant les champs : une erreur qui paraît ne les déplace pas sous le doigt.
      this.host.replaceChildren(this.asked,
        commands("Tirages", button("Tirer", () => this.drawOne(), { class: "demo-main" }),
          button("Neuf graines", () => this.drawNine())),
        this.form, this.shown.node, this.status, this.voice.node, this.panels);
    }

    /* --- prédire d'abord --- */

    pose(name) {
      const launch = { noise: (chosen) => this.testNoise(chosen), guidance: (chosen) => this.testGuidance(chosen) };
      this.quiz = quiz("df", QUESTIONS[name], launch[name]);
      const other = name === "noise" ? "guidance" : "noise";
      this.asked.replaceChildren(this.quiz.node, commands("Autre question",
        button(`Autre question : ${QUESTIONS[other].title}`, () => {
          this.pose(other);
          this.quiz.focus();
        })));
    }

    async testNoise(chosen) {
      const { quiz: posed } = this;
      this.fill({ ...DEFAULTS, seed: this.read()?.seed ?? 0 }, 1);
      posed.say("Le tirage descend.");
      if (!(await this.drawOne())) return void posed.say("");
      const passed = this.frames.findIndex(({ t }) => 1 - level(t) < 0.5);
      posed.conclude(chosen, `1 − ᾱ passe sous 1/2 au pas ${passed + 1} sur 20, t = ${this.frames[passed].t}. ` +
        `À t = ${this.frames[10].t}, il vaut ${french(1 - level(this.frames[10].t), 2)}, et x̂0 est déjà à ` +
        `${french(this.gaps[10], 2)} de l'image finie, contre ${french(this.gaps[0], 2)} au premier pas.`);
    }

    async testGuidance(chosen) {
      const { quiz: posed } = this;
      const found = [];
      for (const guidance of [1, 4]) {
        this.fill({ ...DEFAULTS, seed: this.read()?.seed ?? 0 }, guidance);
        posed.say(`Neuf images, s = ${guidance}.`);
        const images = await this.drawNine();
        if (!images) return void posed.say("");
        found.push(images);
      }
      const pair = (measure) => found.map((images) => french(measure(images), 2)).join(" à ");
      posed.conclude(chosen, `De s = 1 à s = 4, la diversité passe de ${pair(diversity)}, et le gris moyen de ` +
        `${pair(ink)}.`);
    }

    /* --- les réglages --- */

    fill(settings, guidance) {
      for (const [name, value] of Object.entries(settings)) this.form.elements[name].value = value;
      this.guidance.value = guidance;
      this.read();
    }

    /* Les réglages, ou rien si l'un est à reprendre ; sans classe, le guidage n'a pas d'objet. */
    read() {
      const settings = {};
      for (const { name, read } of FIELDS) {
        settings[name] = readField(this.form.elements[name], read);
        if (settings[name] === null) return null;
      }
      this.guidance.input.disabled = settings.label === NO_CLASS;
      return { ...settings, guidance: settings.label === NO_CLASS ? 1 : this.guidance.value };
    }

    /* Les réglages d'un tirage que l'on demande : une erreur y reprend la main. */
    demand() {
      const settings = this.read();
      if (!settings) {
        this.form.querySelector("[aria-invalid=true]").focus();
        this.say("Un réglage est à reprendre.");
      }
      return settings;
    }

    /* --- charger --- */

    async load() {
      this.say("Chargement du réseau…");
      const file = await weights.load("ddpm_class");
      const ask = workers.interview("diffusion", [installLayers, installWeights, installDiffusion],
        (text) => this.say(text));
      await ask("load", file);
      if (!this.frames.length) this.say("Réseau chargé : tirez une image.");
      return ask;
    }

    /* --- tirer --- */

    /* Tire une image, un pas à la fois ; faux si un autre tirage l'a remplacé. */
    async drawOne() {
      const settings = this.demand();
      if (!settings) return false;
      const turn = ++this.turn;
      const ask = await this.open();
      this.say("Le tirage descend.");
      this.frames = [];
      this.steps = settings.steps;
      this.gaps = null; // une fois l'image finie, l'écart de chaque x̂0 à elle
      const start = performance.now();
      for await (const frame of descend(ask, settings)) {
        if (turn !== this.turn) return false;
        this.frames.push(frame);
        if (!CALM) this.follow();
      }
      const { next, noise } = this.frames[this.frames.length - 1];
      this.gaps = this.frames.map(({ x0 }) => gap(x0, next));
      this.frames.push({ t: -1, x: next, x0: next, noise });
      this.follow();
      this.say(`Tirage fini en ${french((performance.now() - start) / 1000, 1)} s. ${this.status.textContent}`);
      return true;
    }

    /* Neuf graines de suite, en peu de pas ; les neuf précédentes restent à côté. */
    async drawNine() {
      const settings = this.demand();
      if (!settings) return null;
      const turn = ++this.turn;
      const ask = await this.open();
      if (this.sets.nine) this.sets.before = this.sets.nine;
      const images = [];
      this.sets.nine = { images, name: nameOfSet(settings) };
      for (let rank = 0; rank < NINE; rank++) {
        const one = { ...settings, seed: settings.seed + rank, steps: NINE_STEPS };
        let last = null;
        for await (const frame of descend(ask, one)) {
          if (turn !== this.turn) return null;
          last = frame;
        }
        images.push(toGray(last.next));
        this.draw();
      }
      this.say(`Neuf images tirées, ${this.sets.nine.name} : diversité ${french(diversity(images), 2)}, ` +
        `gris moyen ${french(ink(images), 2)}.`);
      return images;
    }

    /* --- montrer --- */

    follow() {
      this.shown.input.max = this.frames.length - 1;
      this.shown.value = this.frames.length - 1;
      this.show();
    }

    show() {
      if (!this.frames[this.shown.value]) return; // un tirage recommence
      this.status.textContent = this.summary();
      this.draw();
    }

    nameOf(rank) {
      const frame = this.frames[rank];
      if (!frame) return "aucun";
      return frame.t < 0 ? "image finie" : `${rank + 1} sur ${this.steps}, t = ${frame.t}`;
    }

    summary() {
      const { t } = this.frames[this.shown.value];
      if (t < 0) return `Image finie, après ${this.steps} pas.`;
      const away = this.gaps ? ` · x̂0 est à ${french(this.gaps[this.shown.value], 2)} de l'image finie` : "";
      return `Pas ${this.nameOf(this.shown.value)} · variance du bruit 1 − ᾱ = ${french(1 - level(t), 3)}${away}`;
    }

    say(text) {
      this.status.textContent = text;
      this.voice.say(text);
    }

    draw() {
      if (!this.panels.clientWidth) return;
      const palette = drawing.palette(this.host);
      this.drawCurve(palette);
      for (const name of ["before", "nine"]) this.drawSet(name, palette);
      const frame = this.frames[this.shown.value];
      if (!frame) return;
      const text = this.summary();
      const grays = { x: toGray(frame.x), x0: toGray(frame.x0), noise: frame.noise.map((value) => 0.5 + value / 6) };
      for (const [name, values] of Object.entries(grays)) {
        const [ctx, side] = drawing.fitted(this.shownPanels[name].canvas);
        drawing.pixels(ctx, values, SIDE, 0, 0, side);
        this.shownPanels[name].describe(text);
      }
      this.shownPanels.curve.describe(text);
    }

    drawSet(name, palette) {
      const set = this.sets[name];
      if (!set) return;
      const { canvas, caption, describe } = this.shownPanels[name];
      const [ctx, side] = drawing.fitted(canvas);
      drawing.clear(ctx, side, side, palette);
      const size = side / 3;
      set.images.forEach((image, rank) => drawing.pixels(ctx, image, SIDE,
        (rank % 3) * size, Math.floor(rank / 3) * size, size));
      caption.textContent = set.name;
      describe(`${set.name} : ${set.images.length} images.`);
    }

    /* 1 − ᾱ selon l'instant, du bruit à l'image ; la diagonale serait un bruit qui part régulièrement. */
    drawCurve(palette) {
      const { canvas } = this.shownPanels.curve;
      const [ctx, width, height] = drawing.fitted(canvas);
      const to = drawing.plane(width, height, { low: TIMESTEPS - 1, high: 0 }, { low: 0, high: 1.25 },
        { left: 34 });
      drawing.clear(ctx, width, height, palette);
      drawing.axes(ctx, to, { xTicks: { 750: "750", 500: "500", 250: "250" }, xLabel: "instant t",
        yTicks: { 0: "0", 0.5: "0,5", 1: "1" } }, palette);
      const line = (points, color, dash, thickness = 2) => {
        ctx.strokeStyle = color;
        ctx.lineWidth = thickness;
        ctx.setLineDash(dash);
        ctx.beginPath();
        for (const [t, value] of points) ctx.lineTo(to.x(t), to.y(value));
        ctx.stroke();
        ctx.setLineDash([]);
      };
      line([[TIMESTEPS - 1, 1], [0, 0]], palette.ink, [1, 4], 1);
      const instants = Array.from({ length: TIMESTEPS }, (_, k) => TIMESTEPS - 1 - k);
      // Rien avant un premier tirage : la courbe répondrait à la question posée.
      if (this.frames.length) line(instants.map((t) => [t, 1 - level(t)]), palette.real, []);
      if (this.gaps) line(this.gaps.map((value, k) => [this.frames[k].t, value]), palette.drawn, [6, 4]);
      const frame = this.frames[this.shown.value];
      if (frame && frame.t >= 0) line([[frame.t, 0], [frame.t, 1.25]], palette.ink, []);
    }
  }

  function nameOfSet({ label, guidance, seed, sampler }) {
    const what = label === NO_CLASS ? "sans classe" : `classe ${label}, s = ${french(guidance, 1)}`;
    return `${what}, graines ${seed} à ${seed + NINE - 1}, ${sampler ? "DDPM" : "DDIM"} en ${NINE_STEPS} pas`;
  }

  controls.live("diffusion", Demo);
})();
