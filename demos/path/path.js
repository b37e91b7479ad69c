/* La page : les époques du GAN de la fiche, puis un chemin d'un bruit à un autre du DCGAN. */

(() => {
  "use strict";
  const { controls, drawing, nn, path, weights, workers } = globalThis;
  const { button, commands, element, field, french, panel, quiz, slider, voice } = controls;

  const STOPS = 20; // intervalles du chemin
  const SHOWN = 11; // images de sa bande
  const NOISES = 32; // bruits fixes dont le lab a gardé les images
  const ACROSS = 8; // images par rangée
  const RECOGNISED = 0.9;
  const [EARLY, LATE] = [10, 20]; // les époques de la question

  const QUESTION = {
    title: "Avant de jouer",
    question: `Lab 5, MNIST : de l'époque ${EARLY} à l'époque ${LATE}, la perte du générateur est divisée par ` +
      "trois. Que deviennent ses images ?",
    choices: ["elles s'améliorent", "leur qualité ne change guère", "elles empirent"],
    right: 2,
    seen: "La perte de G dépend de D autant que des images : plus petite, elle montre que D démasque moins, rien " +
      "d'autre. La FID et l'entropie des classes ne passent pas par ce D. Parcourez les époques : jusqu'à la " +
      "trentième, une seule classe prend plus des deux tiers de ces trente-deux images.",
  };

  const whole = (value) => Math.round(value).toLocaleString("fr-FR");
  const percent = (value) => `${Math.floor(100 * value)} %`;

  class Demo {
    constructor(host) {
      this.host = host;
      this.open = controls.once(() => this.load(), (text) => this.say(this.epochStatus, text));
      this.ends = [0, 1]; // les graines des deux bouts
      this.stops = [];
      this.build();
      controls.watch(host, () => this.draw());
      controls.onFirstTouch(host, () => this.open());
    }

    build() {
      this.quiz = quiz("path", QUESTION, (chosen) => this.launch(chosen));
      this.voice = voice();
      this.epochStatus = element("p", { class: "demo-status" }, "Touchez un réglage pour charger les modèles.");
      this.pathStatus = element("p", { class: "demo-status" });
      this.host.replaceChildren(this.quiz.node, this.voice.node, this.buildEpochs(), this.buildPath());
    }

    buildEpochs() {
      this.epoch = slider({ id: "path-epoch", label: "Époque :", min: 0, max: 15, step: 1, value: 0,
        format: (rank) => String(this.rows ? this.rows[rank].epoch : 0) }, () => this.showEpoch());
      this.noises = panel("noises", "Trente-deux bruits fixes", "les mêmes à chaque époque");
      this.losses = panel("losses", "Les pertes", "trait plein : G ; tirets : D ; barre : l'époque");
      this.fids = panel("fids", "La FID", "moins vaut mieux ; barre : l'époque");
      this.noises.node.classList.add("demo-wide");
      this.counts = element("ul", { class: "demo-bars" });
      return element("section", { "aria-label": "Les époques" },
        element("p", { class: "demo-title" }, "Cinquante époques du GAN dense de la section 3, sur MNIST"),
        this.epoch.node, this.epochStatus,
        element("div", { class: "demo-panels" }, this.noises.node, this.losses.node, this.fids.node),
        element("p", {}, "Ce que le classifieur du cours lit dans ces trente-deux images :"), this.counts);
    }

    buildPath() {
      this.share = slider({ id: "path-share", label: "Avancement :", min: 0, max: STOPS, step: 1, value: 0,
        format: (rank) => percent(rank / STOPS) }, () => this.showStop());
      const kind = field("path", { name: "kind", label: "Chemin",
        options: { arc: "par l'arc", line: "en ligne droite" } }, "arc", () => this.walk());
      this.kind = kind.querySelector("select");
      this.image = panel("image", "L'image d'ici", "ce que G fait du z où vous êtes");
      this.film = panel("film", "Le chemin entier", "du départ, en haut, à l'arrivée");
      this.chances = element("ul", { class: "demo-bars" });
      return element("section", { "aria-label": "Un chemin dans z" },
        element("p", { class: "demo-title" }, "Un chemin entre deux bruits du DCGAN"),
        element("p", {}, "Tout point de l'arc cos θ z₀ + sin θ z₁ suit encore N(0, I) ; au milieu de la ligne " +
          "droite, z est plus court, d'un facteur √2 à peu près."),
        commands("Bouts", button("Autre départ", () => this.change(0)), button("Autre arrivée", () => this.change(1))),
        element("div", { class: "demo-settings" }, kind, this.share.node), this.pathStatus,
        element("div", { class: "path-sides" }, this.image.node, this.film.node,
          element("div", {}, element("p", { class: "demo-title" }, "Ce que lit le classifieur"), this.chances)));
    }

    /* --- charger -------------------------------------------------------------------------------- */

    async load() {
      this.say(this.epochStatus, "Chargement des modèles…");
      const [rows, dcgan, classifier] = await Promise.all(["worksheet", "dcgan", "classifier"].map(weights.load));
      const ask = workers.interview("path", [installLayers, installWeights, installClassifier, installPath],
        (text) => this.say(this.pathStatus, text));
      await Promise.all([ask("load", "dcgan", dcgan), ask("load", "classifier", classifier)]);
      for (const row of rows) row.strip = await picture(row.pictures);
      this.rows = rows;
      this.ask = ask;
      this.epoch.input.max = rows.length - 1;
      this.showEpoch();
      await this.walk();
    }

    say(status, text) {
      status.textContent = text;
      this.voice.say(text);
    }

    /* --- les époques ---------------------------------------------------------------------------- */

    async launch(chosen) {
      await this.open();
      const [early, late] = [EARLY, LATE].map((epoch) => this.rows.find((row) => row.epoch === epoch));
      this.epoch.value = this.rows.indexOf(late);
      this.showEpoch();
      this.quiz.conclude(chosen, `Perte de G : ${french(early.generatorLoss, 2)}, puis ` +
        `${french(late.generatorLoss, 2)} ; FID : ${whole(early.fid)}, puis ${whole(late.fid)}.`);
    }

    showEpoch() {
      if (!this.rows) return this.open();
      this.epoch.value = this.epoch.value; // écrit l'époque, que la première lecture ignorait
      const row = this.rows[this.epoch.value];
      drawing.bars(this.counts, row.counts.map((count, digit) => ({
        name: String(digit), share: count / NOISES, text: `${count} / ${NOISES}` })));
      const losses = row.epoch ? `perte de G ${french(row.generatorLoss, 2)}, de D ` +
        `${french(row.discriminatorLoss, 3)} · ` : "";
      const text = `Époque ${row.epoch} · ${losses}FID ${whole(row.fid)} · ` +
        `classes reconnues : ${row.classes} · entropie des classes ${french(row.entropy, 2)}`;
      this.say(this.epochStatus, text);
      for (const shown of [this.noises, this.losses, this.fids]) shown.describe(text);
      this.draw();
    }

    /* --- le chemin ------------------------------------------------------------------------------ */

    change(end) {
      this.ends[end] = Math.max(...this.ends) + 1;
      return this.walk();
    }

    codeAt(rank) {
      const [from, to] = this.ends.map(noise);
      return path.between(from, to, rank / STOPS, this.kind.value === "arc");
    }

    /* Dessine toutes les étapes ; un chemin choisi entre-temps remplace celui-ci. */
    async walk() {
      if (!this.ask) return this.open();
      const turn = this.turn = {};
      const codes = Array.from({ length: STOPS + 1 }, (_, rank) => this.codeAt(rank));
      const stops = [];
      for (const code of codes) {
        stops.push({ ...await this.ask("draw", code), length: Math.hypot(...code) });
        if (this.turn !== turn) return;
      }
      this.stops = stops;
      this.showStop();
    }

    showStop() {
      const stop = this.stops[this.share.value];
      if (!stop) return;
      const best = stop.chances.indexOf(Math.max(...stop.chances));
      drawing.bars(this.chances, [...stop.chances].map((chance, digit) => ({
        name: String(digit), share: chance, text: percent(chance), marked: digit === best })));
      const verdict = stop.chances[best] > RECOGNISED ? "reconnu" : "non reconnu";
      const text = `Chemin à ${percent(this.share.value / STOPS)} · un ${best} à ${percent(stop.chances[best])}, ` +
        `${verdict} · longueur de z ${french(stop.length, 1)} · ${this.readings()}`;
      this.say(this.pathStatus, text);
      this.image.describe(text);
      this.film.describe(text);
      this.draw();
    }

    /* Combien d'images du chemin sont reconnues, et en quels chiffres. */
    readings() {
      const known = this.stops.filter(({ chances }) => Math.max(...chances) > RECOGNISED)
        .map(({ chances }) => chances.indexOf(Math.max(...chances)));
      const digits = [...new Set(known)].map((digit) =>
        `${known.filter((other) => other === digit).length} en ${digit}`);
      return `reconnues sur ${this.stops.length} : ${known.length}` +
        (known.length ? `, dont ${digits.join(", ")}` : "");
    }

    /* --- dessiner ------------------------------------------------------------------------------- */

    draw() {
      if (!this.rows || !this.image.canvas.clientWidth) return;
      const palette = drawing.palette(this.host);
      this.drawNoises();
      const row = this.rows[this.epoch.value];
      const trained = this.rows.filter(({ epoch }) => epoch);
      const steps = trained.map(({ epoch }) => epoch);
      const line = (name, color, dash = []) => ({ values: trained.map((r) => r[name]), color, dash });
      const options = { unit: "époque", marker: row.epoch };
      drawing.curves(...drawing.fitted(this.losses.canvas), steps,
        [line("generatorLoss", palette.real), line("discriminatorLoss", palette.drawn, [6, 4])], palette, options);
      drawing.curves(...drawing.fitted(this.fids.canvas), steps, [line("fid", palette.real)], palette, options);
      if (this.stops.length) this.drawPath(palette);
    }

    drawNoises() {
      const [ctx, width] = drawing.fitted(this.noises.canvas);
      const side = width / ACROSS;
      ctx.imageSmoothingEnabled = false;
      const { strip } = this.rows[this.epoch.value];
      for (let k = 0; k < NOISES; k++) {
        ctx.drawImage(strip, 28 * k, 0, 28, 28, side * (k % ACROSS), side * Math.floor(k / ACROSS), side, side);
      }
    }

    drawPath(palette) {
      const [ctx, side] = drawing.fitted(this.image.canvas);
      drawing.pixels(ctx, this.stops[this.share.value].image, 28, 0, 0, side);
      const [film, width, height] = drawing.fitted(this.film.canvas);
      drawing.clear(film, width, height, palette);
      const across = 4;
      const size = width / across;
      for (let k = 0; k < SHOWN; k++) {
        const rank = Math.round((k * STOPS) / (SHOWN - 1));
        const [x, y] = [size * (k % across), size * Math.floor(k / across)];
        drawing.pixels(film, this.stops[rank].image, 28, x + 1, y + 1, size - 2);
        if (Math.abs(rank - this.share.value) > STOPS / SHOWN / 2) continue;
        film.strokeStyle = palette.drawn;
        film.lineWidth = 3;
        film.strokeRect(x + 2, y + 2, size - 4, size - 4);
      }
    }
  }

  /* Le bruit z de cette graine. */
  function noise(seed) {
    const random = nn.random(seed);
    return Array.from({ length: path.LATENT }, () => random.normal());
  }

  /* Une image PNG, écrite en base64 par labkit.plots.to_text. */
  function picture(text) {
    return new Promise((resolve, reject) => {
      const image = new Image();
      image.onload = () => resolve(image);
      image.onerror = () => reject(new Error("Une image des époques est illisible : refaites « python -m tools.demos »."));
      image.src = `data:image/png;base64,${text}`;
    });
  }

  controls.live("path", Demo);
})();
