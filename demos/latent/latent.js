/* La page : un point que l'on promène dans deux plans latents, et ce que chaque décodeur y dessine. */

(() => {
  "use strict";
  const { controls, drawing, latent, latentCodes, nn, weights, workers } = globalThis;
  const { attempt, button, check, commands, element, french, panel, quiz, voice } = controls;

  const REACH = 3; // comme tools/demos.py : le plan va de -REACH à REACH,
  const SIDE = 81; // et le point y saute d'un nœud à l'autre d'une grille de SIDE × SIDE
  const STEP = (2 * REACH) / (SIDE - 1);
  const RECOGNISED = 0.9; // probabilité au-delà de laquelle une image est dite reconnue
  const DRAWN = 1000;

  const MODELS = {
    autoencoder: { name: "autoencodeur", title: "L'autoencodeur du lab 2", legend:
      "u : code ramené à la moyenne et à la covariance des codes d'entraînement" },
    vae_dense_2d: { name: "VAE", title: "Le VAE du lab 3", legend: "u = z, de loi a priori N(0, I)" },
  };
  const NAMES = Object.keys(MODELS);

  const QUESTION = {
    title: "Avant de jouer",
    question: "On tire mille codes au hasard, dans la loi où chaque lab les tire. Combien de dessins le " +
      "classifieur du cours reconnaîtra-t-il (une classe dont la probabilité dépasse 0,9) ?",
    choices: ["presque tous", "environ sept sur dix", "moins d'un sur dix"],
    right: 1,
    action: "Tirer les codes",
    seen: "Un code est un point du plan, et le décodeur dessine partout, même là où aucune image ne l'a " +
      "corrigé. Les zones grisées sont des frontières entre chiffres et des trous : les deux modèles en ont, " +
      "et les tirages y tombent à peu près aussi souvent. Promenez-y le point.",
  };

  const toGrid = (u) => Math.min(SIDE - 1, Math.max(0, Math.round((u + REACH) / STEP)));
  const fromGrid = (rank) => -REACH + STEP * rank;
  const signed = (value) => french(value, 2).replace("-", "−");

  /* --- les codes de vraies images --------------------------------------------------------------- */

  /* Le code le plus proche de u : { rank, distance }. */
  function nearest(codes, [u1, u2], except = -1) {
    let found = { rank: -1, distance: Infinity };
    codes.forEach(([v1, v2], rank) => {
      const distance = Math.hypot(u1 - v1, u2 - v2);
      if (rank !== except && distance < found.distance) found = { rank, distance };
    });
    return found;
  }

  /* La distance médiane d'un code à son plus proche voisin : l'unité où se lit l'isolement d'un point. */
  function usualGap(codes) {
    const gaps = codes.map((code, rank) => nearest(codes, code, rank).distance).sort((a, b) => a - b);
    return gaps[gaps.length >> 1];
  }

  /* --- la démonstration ------------------------------------------------------------------------- */

  class Demo {
    constructor(host) {
      this.host = host;
      this.open = controls.once(() => this.load(), (text) => this.say(text));
      this.point = [toGrid(0), toGrid(0)]; // colonne et ligne de la grille
      this.images = {};
      this.draws = []; // les codes tirés au hasard, [colonne, ligne]
      this.gaps = Object.fromEntries(NAMES.map((name) => [name, usualGap(latentCodes[name].codes)]));
      this.build();
      controls.watch(this.sides, () => this.draw());
      controls.onFirstTouch(host, () => this.open());
    }

    build() {
      this.quiz = quiz("latent", QUESTION, (chosen) => this.drawMany(chosen));
      this.shade = check("latent-shade", "Griser ce que le classifieur ne reconnaît pas", () => this.draw());
      this.status = element("p", { class: "demo-status" });
      this.voice = voice();
      this.parts = Object.fromEntries(NAMES.map((name) => [name, this.buildSide(name)]));
      this.sides = element("div", { class: "latent-sides" }, ...["map", "image", "reading"].flatMap((kind) =>
        NAMES.map((name) => this.parts[name][kind].node)));
      this.host.replaceChildren(this.quiz.node,
        element("p", { id: "latent-help" }, "Chaque chiffre du plan est le code d'une vraie image de test (pour le VAE, la moyenne μ de son code) ; " +
          "six cents images sont codées, et celles qui sortent du plan ne sont pas montrées. " +
          "Déplacez le point à la souris, au doigt, ou au clavier par les flèches (avec Majuscule, cinq fois " +
          "plus vite) : il est au même u dans les deux plans. L'écart habituel est la distance médiane d'un code à " +
          "son plus proche voisin."),
        commands("Aller", button("Code au hasard", () => this.jump()),
          ...NAMES.map((name) => button(`Dans un trou ${name === "vae_dense_2d" ? "du VAE" : "de l'autoencodeur"}`,
            () => this.fall(name))),
          this.shade.node),
        this.status, this.voice.node, this.sides);
    }

    buildSide(name) {
      const { title, legend } = MODELS[name];
      const map = panel(`plane-${name}`, title, legend);
      const image = panel(`image-${name}`, "Ce que dessine son décodeur", "");
      image.node.classList.add("latent-image");
      const reading = element("p", { class: "latent-reading" }, "Touchez le plan pour charger le décodeur.");
      this.listen(map.canvas);
      return { map, image, reading: { node: reading } };
    }

    listen(canvas) {
      canvas.tabIndex = 0;
      canvas.classList.add("demo-open");
      canvas.setAttribute("role", "application");
      canvas.setAttribute("aria-roledescription", "plan latent");
      canvas.setAttribute("aria-describedby", "latent-help");
      canvas.addEventListener("pointerdown", attempt((event) => {
        canvas.setPointerCapture(event.pointerId);
        return this.goTo(this.under(event));
      }));
      canvas.addEventListener("pointermove", attempt((event) => event.buttons && this.goTo(this.under(event))));
      canvas.addEventListener("keydown", attempt((event) => this.moveByKey(event)));
    }

    /* --- charger, puis décoder --- */

    async load() {
      this.say("Chargement des décodeurs…");
      const [map, ...files] = await Promise.all(["latent_map", ...NAMES].map(weights.load));
      const ask = workers.interview("latent", [installLayers, installWeights, installLatent],
        (text) => this.say(text));
      await Promise.all(NAMES.map((name, rank) => ask("load", name, files[rank])));
      this.map = weights.unpack(map);
      this.ask = ask;
      return this.refresh();
    }

    /* Décode le point ; s'il bouge entre-temps, seul le dernier endroit compte. */
    async refresh() {
      this.isStale = true;
      if (this.isDecoding) return;
      this.isDecoding = true;
      try {
        while (this.isStale) await this.decode();
        this.say(this.summary());
      } finally {
        this.isDecoding = false;
      }
    }

    async decode() {
      this.isStale = false;
      for (const name of NAMES) this.images[name] = await this.ask("decode", name, this.codeOf(name));
      this.draw();
    }

    /* --- déplacer le point --- */

    get u() {
      return this.point.map(fromGrid);
    }

    goTo(point) {
      this.point = point;
      this.draw();
      return this.ask ? this.refresh() : this.open();
    }

    under(event) {
      const to = this.frame(event.currentTarget);
      const box = event.currentTarget.getBoundingClientRect();
      return to.at(event.clientX - box.left, event.clientY - box.top).map(toGrid);
    }

    moveByKey(event) {
      const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!move) return;
      event.preventDefault();
      const stride = event.shiftKey ? 5 : 1;
      return this.goTo(this.point.map((rank, axis) => Math.min(SIDE - 1, Math.max(0, rank + stride * move[axis]))));
    }

    jump() {
      this.random = this.random || nn.random(1);
      return this.goTo(drawPoint(this.random));
    }

    /* Au plus loin des codes, sans sortir du cercle qui en contient la plupart. */
    async fall(name) {
      await this.open();
      const { codes } = latentCodes[name];
      let best = { distance: 0 };
      for (const point of everyPoint()) {
        const u = point.map(fromGrid);
        if (Math.hypot(...u) > 2 || this.read(name, point).isRecognised) continue;
        const { distance } = nearest(codes, u);
        if (distance > best.distance) best = { point, distance };
      }
      return this.goTo(best.point);
    }

    /* La prédiction mise à l'épreuve : mille codes, les mêmes u pour les deux modèles. */
    async drawMany(chosen) {
      await this.open();
      this.quiz.say("Tirage des codes…");
      const random = nn.random(0);
      this.draws = Array.from({ length: DRAWN }, () => drawPoint(random));
      this.shade.input.checked = true;
      const counts = NAMES.map((name) =>
        `${MODELS[name].name}, ${this.draws.filter((point) => this.read(name, point).isRecognised).length}`);
      this.quiz.conclude(chosen, `Dessins reconnus sur mille : ${counts.join(" ; ")}.`);
      this.draw();
    }

    /* --- lire le plan --- */

    codeOf(name) {
      return latent.toCode(latentCodes[name], this.u);
    }

    /* Ce que le classifieur lit en un point : { label, confidence, isRecognised }. */
    read(name, [column, row]) {
      const at = row * SIDE + column;
      const confidence = this.map[`${name}.confidence`].data[at];
      return { label: this.map[`${name}.label`].data[at], confidence, isRecognised: confidence > RECOGNISED };
    }

    reading(name) {
      const { label, confidence, isRecognised } = this.read(name, this.point);
      const { rank, distance } = nearest(latentCodes[name].codes, this.u);
      const verdict = isRecognised ? "reconnu" : "non reconnu";
      const ratio = distance / this.gaps[name];
      return `z = (${this.codeOf(name).map(signed).join(" ; ")}). Le classifieur y lit un ${label} à ` +
        `${Math.floor(100 * confidence)} % : ${verdict}. Le code le plus proche, un ${latentCodes.labels[rank]}, ` +
        `est à ${french(ratio, 1)} fois l'écart habituel entre voisins.`;
    }

    summary() {
      const parts = NAMES.map((name) => {
        const { label, confidence, isRecognised } = this.read(name, this.point);
        return `${MODELS[name].name} : ${label} à ${Math.floor(100 * confidence)} %, ` +
          `${isRecognised ? "reconnu" : "non reconnu"}`;
      });
      return `u = (${this.u.map(signed).join(" ; ")}) · ${parts.join(" · ")}`;
    }

    say(text) {
      this.status.textContent = text;
      this.voice.say(text);
    }

    /* --- dessiner --- */

    frame(canvas) {
      const range = { low: -REACH, high: REACH };
      const margins = { left: 26, right: 8, top: 8, bottom: 30 };
      return drawing.plane(canvas.clientWidth, canvas.clientHeight, range, range, margins);
    }

    draw() {
      if (!this.sides.clientWidth) return;
      const palette = drawing.palette(this.host);
      for (const name of NAMES) {
        this.drawPlane(name, palette);
        if (!this.images[name]) continue;
        const { image, map, reading } = this.parts[name];
        const [ctx, side] = drawing.fitted(image.canvas);
        drawing.pixels(ctx, this.images[name], 28, 0, 0, side);
        const text = reading.node.textContent = this.reading(name);
        image.describe(text);
        map.describe(text);
      }
    }

    drawPlane(name, palette) {
      const { canvas } = this.parts[name].map;
      const [ctx, width, height] = drawing.fitted(canvas);
      const to = this.frame(canvas);
      drawing.clear(ctx, width, height, palette);
      if (this.shade.input.checked && this.map) this.drawShade(ctx, name, to, palette);
      const ticks = { [-2]: "−2", 0: "0", 2: "2" };
      drawing.axes(ctx, to, { xTicks: ticks, yTicks: ticks, xLabel: "u1", yLabel: "u2" }, palette);
      this.drawCodes(ctx, name, to, palette);
      ctx.fillStyle = palette.ink;
      for (const point of this.draws) {
        const [x, y] = point.map(fromGrid);
        ctx.fillRect(to.x(x) - 1, to.y(y) - 1, 2, 2);
      }
      this.drawPoint(ctx, name, to, palette);
    }

    drawShade(ctx, name, to, palette) {
      const size = Math.ceil(to.x(STEP) - to.x(0));
      ctx.fillStyle = palette.faint;
      for (const point of everyPoint()) {
        if (this.read(name, point).isRecognised) continue;
        const [x, y] = point.map(fromGrid);
        ctx.fillRect(to.x(x) - size / 2, to.y(y) - size / 2, size, size);
      }
    }

    drawCodes(ctx, name, to, palette) {
      const isDark = drawing.rgb(palette.paper)[0] < 128;
      ctx.font = `bold ${Math.max(7, (to.right - to.left) / 34)}px sans-serif`;
      ctx.textAlign = "center";
      ctx.textBaseline = "middle";
      latentCodes[name].codes.forEach(([x, y], rank) => {
        if (Math.abs(x) > REACH || Math.abs(y) > REACH) return;
        const label = latentCodes.labels[rank];
        ctx.fillStyle = `hsl(${36 * label} ${isDark ? "75% 68%" : "85% 32%"})`;
        ctx.fillText(label, to.x(x), to.y(y));
      });
      ctx.textBaseline = "alphabetic";
    }

    /* Le point, et un trait vers le code le plus proche. */
    drawPoint(ctx, name, to, { ink, paper }) {
      const { codes } = latentCodes[name];
      const near = codes[nearest(codes, this.u).rank];
      const [x, y] = [to.x(this.u[0]), to.y(this.u[1])];
      for (const [color, thickness] of [[paper, 5], [ink, 2]]) {
        ctx.strokeStyle = color;
        ctx.lineWidth = thickness;
        ctx.beginPath();
        ctx.moveTo(x, y);
        ctx.lineTo(to.x(near[0]), to.y(near[1]));
        ctx.moveTo(x + 8, y);
        ctx.arc(x, y, 8, 0, 2 * Math.PI);
        ctx.stroke();
      }
    }
  }

  /* Un point de la grille tiré de N(0, I), retiré s'il sort du plan. */
  function drawPoint(random) {
    for (;;) {
      const u = [random.normal(), random.normal()];
      if (u.every((value) => Math.abs(value) <= REACH)) return u.map(toGrid);
    }
  }

  function everyPoint() {
    return Array.from({ length: SIDE * SIDE }, (_, k) => [k % SIDE, Math.floor(k / SIDE)]);
  }

  controls.live("latent", Demo);
})();
