/* La page : un chiffre dont l'entrée se déplace, une colonne de ses pixels au fil du déplacement, et le même
   mouvement sans faute. */

(() => {
  "use strict";
  const { controls, drawing, filter, filterMeasures, weights, workers } = globalThis;
  const { button, commands, element, field, french, panel, quiz, readField, slider, voice, whole } = controls;
  const { SIDE } = filter;
  const { EDGE, decibels, moved, sharpness } = filterMeasures;

  /* Les déplacements, en pixels vers le bas, d'un quart en un quart comme dans le lab. */
  const [REACH, STEP] = [3, 0.25];
  const SHIFTS = Array.from({ length: 1 + (2 * REACH) / STEP }, (_, k) => k * STEP - REACH);
  const STILL = SHIFTS.indexOf(0);
  const HALF = SHIFTS.indexOf(0.5);
  const ROWS = SIDE - 2 * EDGE; // lignes montrées d'une colonne
  const LOUDER = 4; // ce qui multiplie l'écart pour le voir
  const TOP = 100; // dB

  /* Où sont les filtres. Le jumeau est un autre réseau, qui a appris avec les filtres avant. */
  const PLACES = {
    around: { label: "autour de la ReLU : T", network: "stylegan3", filtersAround: true, color: "real", dash: [] },
    before: { label: "avant la ReLU, mêmes poids", network: "stylegan3", filtersAround: false, color: "drawn",
      dash: [6, 4] },
    twin: { label: "avant la ReLU : le jumeau", network: "stylegan3_aliased", filtersAround: false, color: "ink",
      dash: [2, 3] },
  };
  const MODELS = ["stylegan3", "stylegan3_aliased"];

  const QUESTION = {
    title: "Avant de jouer",
    question: "T dessine un chiffre, ses filtres placés autour de la ReLU. On les place tous avant, sans toucher aux " +
      "poids : l'image gagne des hautes fréquences et paraît plus nette. L'entrée se déplace d'un demi-pixel : quelle " +
      "image suit le mieux ?",
    choices: ["la plus nette, filtres avant la ReLU", "les deux suivent aussi bien",
      "la moins nette, filtres autour de la ReLU"],
    right: 2,
    action: "Déplacer l'entrée",
    seen: "L'image la plus nette suit le moins bien : ses hautes fréquences ne sont pas toutes un détail du chiffre. La " +
      "ReLU en crée de trop hautes pour la grille ; si rien ne les filtre ensuite, elles se replient et restent fixes " +
      "par rapport aux pixels : au fil du déplacement, l'oblique devient un escalier. Deux pixels sont un nombre entier " +
      "de pas de toutes les grilles : tout y suit. Ces poids n'avaient pas appris à se passer du filtre qui suit la " +
      "ReLU ; choisissez le jumeau, qui a appris ainsi : ses détails collent aussi aux pixels.",
  };

  const HELP = "T est un StyleGAN3. Son entrée est une somme d'ondes, que l'on déplace avant que le réseau dessine ; ses " +
    "filtres ôtent les fréquences que la grille de pixels ne peut porter. Le jumeau a les mêmes couches, et a appris avec " +
    "les filtres avant la ReLU. ψ rapproche l'image de l'image moyenne (0) ou l'en éloigne. Pour 20 dB de plus, l'erreur " +
    "est dix fois plus petite. Les hautes fréquences sont la part de l'énergie au-delà d'un quart de cycle par pixel.";

  const FIELDS = [
    { name: "place", label: "Filtres", read: String,
      options: Object.fromEntries(Object.entries(PLACES).map(([key, { label }]) => [key, label])) },
    { name: "seed", label: "Graine", read: whole(0, 999999) },
  ];
  const DEFAULTS = { place: "around", seed: 2 };

  const PANELS = {
    image: ["L'image", "trait : la colonne suivie"],
    perfect: ["Le mouvement parfait", "l'image immobile, déplacée après coup"],
    gap: ["L'écart des deux", `multiplié par ${LOUDER} ; gris moyen : 0`],
    column: ["La colonne, au fil du déplacement", "de 3 px vers le haut à 3 px vers le bas"],
    ideal: ["La même, parfaite", "un détail qui suit trace une oblique"],
    curve: ["Fidélité au mouvement, en dB", "trait plein : filtres autour ; tirets : avant ; points : le jumeau"],
  };

  const signed = (value, digits) => french(value, digits).replace("-", "−");

  class Demo {
    constructor(host) {
      this.host = host;
      this.open = controls.once(() => this.load(), (text) => this.say(text));
      this.films = {}; // par place des filtres : images, images parfaites et dB de chaque déplacement
      this.changes = 0; // réglages que le lecteur a changés : une question jouée s'arrête
      this.build();
      controls.watch(this.panels, () => this.draw());
      controls.onFirstTouch(host, () => this.open());
    }

    build() {
      this.quiz = quiz("fl", QUESTION, (chosen) => this.test(chosen));
      this.form = element("form", { class: "demo-settings", "aria-label": "Filtres et graine",
        onsubmit: (event) => event.preventDefault() },
        ...FIELDS.map((f) => field("fl", f, DEFAULTS[f.name], () => this.changed())));
      this.sliders = this.buildSliders();
      this.status = element("p", { class: "demo-status" }, "Touchez un réglage pour charger le générateur.");
      this.voice = voice();
      this.shown = Object.fromEntries(Object.entries(PANELS).map(([name, texts]) => [name, panel(name, ...texts)]));
      this.panels = element("div", { class: "demo-panels" }, ...Object.values(this.shown).map(({ node }) => node));
      // Les boutons avant les champs : une erreur qui paraît ne les déplace pas sous le doigt.
      this.host.replaceChildren(this.quiz.node,
        commands("Revenir", button("Réglages de départ", () => this.reset())),
        this.form, element("div", { class: "demo-settings" }, ...Object.values(this.sliders).map(({ node }) => node)),
        this.status, this.voice.node, this.panels, element("p", {}, HELP));
    }

    buildSliders() {
      const pixels = (value) => `${signed(value, 2)}\u00a0px`;
      return {
        shift: slider({ id: "fl-shift", label: "Déplacement vers le bas", min: -REACH, max: REACH, step: STEP, value: 0.5,
          format: pixels }, () => this.moved()),
        turn: slider({ id: "fl-turn", label: "Rotation de l'entrée", min: -90, max: 90, step: 5, value: 0,
          format: (value) => `${signed(value, 0)}°` }, () => this.changed()),
        psi: slider({ id: "fl-psi", label: "Troncature ψ", min: -0.5, max: 1.5, step: 0.1, value: 1,
          format: (value) => signed(value, 1) }, () => this.changed()),
        column: slider({ id: "fl-column", label: "Colonne suivie", min: 0, max: SIDE - 1, step: 1, value: SIDE / 2 },
          () => this.moved()),
      };
    }

    /* --- les réglages --- */

    /* Les réglages d'un film, ou rien si un champ est à reprendre. */
    read() {
      const settings = { psi: this.sliders.psi.value, turn: this.sliders.turn.value };
      for (const { name, read } of FIELDS) {
        settings[name] = readField(this.form.elements[name], read);
        if (settings[name] === null) return null;
      }
      return settings;
    }

    changed() {
      this.changes += 1;
      if (this.read()) return this.follow();
    }

    /* Une autre image du film, ou une autre colonne : rien n'est à recalculer. */
    moved() {
      this.draw();
      this.say(this.summary());
      return this.follow();
    }

    fill({ place, seed, psi, turn, shift }) {
      Object.assign(this.form.elements.place, { value: place });
      Object.assign(this.form.elements.seed, { value: seed });
      Object.entries({ psi, turn, shift }).forEach(([name, value]) => { this.sliders[name].value = value; });
    }

    reset() {
      this.fill({ ...DEFAULTS, psi: 1, turn: 0, shift: 0.5 });
      this.sliders.column.value = SIDE / 2;
      return this.changed();
    }

    /* --- calculer le film --- */

    async load() {
      this.say("Chargement du générateur…");
      const files = await Promise.all(MODELS.map(weights.load));
      const ask = workers.interview("filter", [installLayers, installWeights, installFilter],
        (text) => this.say(text));
      await Promise.all(MODELS.map((name, rank) => ask("load", name, files[rank])));
      this.ask = ask;
      await this.follow();
      return ask;
    }

    /* Le film des réglages, commencé ou non ; ceux des autres places restent si le reste n'a pas changé. */
    film({ place, seed, psi, turn }) {
      const key = [seed, psi, turn].join(" ");
      if (this.key !== key) [this.key, this.films] = [key, {}];
      this.films[place] = this.films[place] || { images: [], perfect: [], decibels: [], sharpness: null };
      return this.films[place];
    }

    /* Le prochain déplacement à dessiner : l'image montrée, l'immobile, puis de proche en proche. */
    missing(film) {
      const order = SHIFTS.map((_, k) => k).sort((a, b) => Math.abs(a - STILL) - Math.abs(b - STILL));
      return [this.rank, ...order].find((k) => !film.images[k]);
    }

    get rank() {
      return SHIFTS.indexOf(this.sliders.shift.value);
    }

    /* Dessine ce qui manque au film des réglages, relus à chaque image : les derniers comptent seuls. */
    follow() {
      if (!this.ask) return this.open();
      this.filming = this.filming || this.shoot();
      return this.filming;
    }

    async shoot() {
      await null; // `follow` a noté ce tournage
      try {
        let isShooting = true;
        while (isShooting) isShooting = await this.shootOne();
        this.say(this.summary());
      } finally {
        this.filming = null;
      }
    }

    /* Dessine une image ; faux s'il n'en manque plus, ou si un réglage est à reprendre. */
    async shootOne() {
      const settings = this.read();
      const film = settings && this.film(settings);
      const rank = film && this.missing(film);
      if (!film || rank === undefined) return false;
      const { network, filtersAround } = PLACES[settings.place];
      film.images[rank] = await this.ask("draw", { ...settings, network, filtersAround, shift: SHIFTS[rank] });
      compare(film);
      this.draw();
      this.status.textContent = this.summary();
      return true;
    }

    async test(chosen) {
      const seed = this.read()?.seed ?? DEFAULTS.seed;
      const before = this.changes;
      const proofs = [];
      for (const place of ["around", "before"]) {
        this.fill({ place, seed, psi: 1, turn: 0, shift: 0.5 });
        this.quiz.say("L'entrée se déplace.");
        await this.open();
        await this.follow();
        if (this.changes !== before) return void this.quiz.say("");
        const { decibels: found, sharpness: high } = this.films[place];
        proofs.push({ db: found[HALF], high });
      }
      const [around, ahead] = proofs;
      const times = 10 ** ((around.db - ahead.db) / 20);
      this.quiz.conclude(chosen, `Filtres autour de la ReLU : ${french(around.high, 1)} % de hautes fréquences, et ` +
        `un demi-pixel suivi à ${french(around.db, 1)} dB. Avant : ${french(ahead.high, 1)} %, et ` +
        `${french(ahead.db, 1)} dB, une erreur ${french(times, 1)} fois plus grande.`);
    }

    /* --- montrer --- */

    get current() {
      return this.films[this.form.elements.place.value];
    }

    summary() {
      const film = this.current;
      if (!film || film.sharpness === null) return "Le film se dessine.";
      const db = film.decibels[this.rank];
      const followed = db === undefined ? "" : ` : suivi à ${french(db, 1)} dB`;
      const where = this.rank === STILL ? "image immobile" : `déplacement ${signed(SHIFTS[this.rank], 2)} px${followed}`;
      return `Filtres ${PLACES[this.form.elements.place.value].label} · ${where} · hautes fréquences de l'image ` +
        `immobile : ${french(film.sharpness, 1)} %.`;
    }

    say(text) {
      this.status.textContent = text;
      this.voice.say(text);
    }

    draw() {
      if (!this.panels.clientWidth || !this.current) return;
      const palette = drawing.palette(this.host);
      const { images, perfect } = this.current;
      const [image, ideal] = [images[this.rank], perfect[this.rank]];
      this.drawImage("image", image, palette);
      this.drawImage("perfect", ideal, palette);
      this.drawImage("gap", ideal && image.map((value, k) => 0.5 + (LOUDER * (value - ideal[k])) / 2), palette);
      this.drawColumns("column", images, palette);
      this.drawColumns("ideal", perfect, palette);
      this.drawCurve(palette);
      const text = this.summary();
      for (const { describe } of Object.values(this.shown)) describe(text);
    }

    /* Une image et la colonne suivie, ou rien tant qu'elle manque. */
    drawImage(name, image, palette) {
      const [ctx, size] = drawing.fitted(this.shown[name].canvas);
      drawing.clear(ctx, size, size, palette);
      if (!image) return;
      drawing.pixels(ctx, image, SIDE, 0, 0, size);
      if (name === "gap") return;
      ctx.fillStyle = palette.drawn;
      ctx.fillRect(((this.sliders.column.value + 0.5) * size) / SIDE - 1, 0, 2, size);
    }

    /* La colonne suivie de chaque image, côte à côte, sans les lignes du bord. */
    drawColumns(name, images, palette) {
      const [ctx, size] = drawing.fitted(this.shown[name].canvas);
      drawing.clear(ctx, size, size, palette);
      const column = this.sliders.column.value;
      drawing.pixels(ctx, Float32Array.from({ length: ROWS * SHIFTS.length }, (_, k) => {
        const image = images[k % SHIFTS.length];
        return image ? image[(EDGE + Math.floor(k / SHIFTS.length)) * SIDE + column] : NaN;
      }), SHIFTS.length, 0, 0, size);
      ctx.fillStyle = palette.drawn;
      ctx.fillRect(((this.rank + 0.5) * size) / SHIFTS.length - 1, 0, 2, size);
    }

    drawCurve(palette) {
      const [ctx, width, height] = drawing.fitted(this.shown.curve.canvas);
      drawing.clear(ctx, width, height, palette);
      const to = drawing.plane(width, height, { low: -REACH, high: REACH }, { low: 0, high: TOP }, { left: 32 });
      drawing.axes(ctx, to, { xTicks: { "-2": "−2", 0: "0", 2: "2" }, xLabel: "déplacement, px",
        yTicks: { 0: "0", 20: "20", 40: "40", 60: "60", 80: "80" } }, palette);
      ctx.lineWidth = 2;
      for (const [place, film] of Object.entries(this.films)) {
        ctx.strokeStyle = palette[PLACES[place].color];
        ctx.setLineDash(PLACES[place].dash);
        this.drawLine(ctx, to, film.decibels);
      }
      ctx.setLineDash([]);
      ctx.fillStyle = palette.ink;
      ctx.fillRect(to.x(SHIFTS[this.rank]) - 1, to.top, 1, to.bottom - to.top);
    }

    /* Interrompue à l'image immobile, et là où le film manque encore. */
    drawLine(ctx, to, values) {
      ctx.beginPath();
      SHIFTS.forEach((shift, k) => {
        const isKnown = Number.isFinite(values[k]);
        if (!isKnown) return;
        const point = [to.x(shift), to.y(Math.min(TOP, values[k]))];
        if (Number.isFinite(values[k - 1])) ctx.lineTo(...point);
        else ctx.moveTo(...point);
      });
      ctx.stroke();
    }
  }

  /* Mesure les images qui ne le sont pas encore, d'après l'immobile. */
  function compare(film) {
    const { images, perfect, decibels: found } = film;
    const still = images[STILL];
    if (!still) return;
    film.sharpness = film.sharpness ?? sharpness(still);
    images.forEach((image, k) => {
      perfect[k] = perfect[k] || moved(still, SHIFTS[k]);
      if (k !== STILL) found[k] = found[k] ?? decibels(image, perfect[k]);
    });
  }

  controls.live("filter", Demo);
})();
