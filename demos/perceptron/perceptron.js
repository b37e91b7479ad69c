/* La page : des points à poser, un neurone ou un petit réseau à faire apprendre. */

(() => {
  "use strict";
  const { controls, drawing, learner: lib } = globalThis;
  const { button, commands, element, field, french, panel, quiz, slider, voice } = controls;

  const PLANE = { low: -0.5, high: 1.5 };
  const GRID = 61; // réponses calculées par côté du plan
  const MOST_POINTS = 60;
  const REACH = 0.09; // distance à laquelle un point est touché
  const FRAME = 12; // ms de calcul entre deux dessins, au plus
  const LONG = 100_000; // passages de l'expérience
  const START = { points: "XOR", hidden: 0, rate: 0.7, seed: 0 };

  const FIELDS = [
    { name: "points", label: "Exemples", read: String,
      options: { ET: "ET", OU: "OU", XOR: "XOR", own: "les miens" } },
    { name: "label", label: "Cible du point posé", read: Number, options: { 1: "1 (carré bleu)", 0: "0 (rond orange)" } },
    { name: "rate", label: "Taux d'apprentissage", read: controls.positive(10, 0.7) },
    { name: "seed", label: "Graine des poids", read: controls.whole(0, 999999) },
    { name: "speed", label: "Passages entre deux dessins", read: Number, options: { 1: "1", 10: "10", 100: "100", 1000: "1 000" } },
  ];

  const QUESTION = {
    question: "Le neurone n'a pas appris XOR en 1 000 passages. Que donneront 100 000 passages ?",
    choices: ["les quatre exemples bien classés", "toujours un exemple au moins du mauvais côté",
      "des poids de plus en plus grands"],
    right: 1,
    seen:
      "Un neurone sépare le plan par une droite, et aucune droite ne convient à XOR : la durée n'y change rien. " +
      "À chaque passage, quatre corrections se défont l'une l'autre et ramènent les poids au même point. Mettez maintenant quatre neurones cachés : ce n'est pas le temps qui " +
      "manquait, mais des droites.",
  };

  const whole = (value) => value.toLocaleString("fr-FR");

  class Demo {
    constructor(host) {
      this.host = host;
      this.cursor = [0.5, 0.5];
      this.playing = false;
      this.goal = null; // { passages, prédiction } de l'expérience en cours
      this.build();
      this.choose(START);
      controls.watch(this.panels, () => this.draw());
    }

    build() {
      this.quiz = quiz("pc", QUESTION, (chosen) => this.launch(chosen));
      this.playButton = button("Jouer", () => this.toggle(), { class: "demo-main" });
      this.hidden = slider({ id: "pc-hidden", label: "Neurones cachés :", min: 0, max: 8, step: 1, value: 0 },
        () => this.restart());
      this.form = element("form", { class: "demo-settings", "aria-label": "Réglages",
        onsubmit: (event) => event.preventDefault() },
        this.hidden.node, ...FIELDS.map((f) => field("pc", f, { ...START, label: 1, speed: 10 }[f.name], (name) => this.changed(name))));
      this.status = element("p", { class: "demo-status" });
      this.voice = voice();
      this.plane = panel("plane", "Le plan des entrées",
        "bleu : réponse proche de 1 ; orange : de 0 ; trait plein : 1/2 ; flèches : les poids des neurones");
      this.error = panel("error", "L'erreur", "écart moyen |t − y| pendant le passage ; pointillés : 1/2");
      this.graph = panel("graph", "Les poids",
        "trait épais : grand poids ; bleu : positif, orange tireté : négatif");
      this.panels = element("div", { class: "demo-panels" }, this.plane.node, this.error.node, this.graph.node);
      this.plane.node.classList.add("demo-wide");
      this.host.replaceChildren(this.quiz.node,
        commands("Commandes", this.playButton,
          button("Un passage", () => this.once()),
          button("Recommencer", () => this.restart()),
          button("Autre tirage", () => this.redraw()),
          button("Effacer les points", () => this.erase())),
        this.status, this.voice.node, this.panels,
        element("p", { id: "pc-help" }, "Touchez le plan pour poser un point, un point pour changer sa cible ; " +
          "à la souris, on peut le déplacer. Au clavier, dans le plan : les flèches déplacent la croix, 1 ou 0 pose " +
          "un point de cette cible, Entrée change la cible du point sous la croix, Retour arrière l'ôte."), this.form);
      this.listen(this.plane.canvas);
    }

    /* --- les réglages --- */

    read(name) {
      return controls.readField(this.form.elements[name], FIELDS.find((f) => f.name === name).read);
    }

    changed(name) {
      const value = this.read(name);
      if (value === null) return this.voice.say("Un réglage est à reprendre ; rien n'a changé.");
      if (name === "points") {
        if (value !== "own") this.points = lib.logic(value);
        this.restart();
      }
      if (name === "rate" || name === "seed") this.restart();
    }

    choose({ points, hidden, rate, seed }) {
      for (const [name, value] of Object.entries({ points, rate, seed })) {
        this.form.elements[name].value = controls.toText(value);
      }
      this.hidden.value = hidden;
      this.points = lib.logic(points);
      this.restart();
    }

    /* --- l'apprentissage --- */

    restart() {
      const [rate, seed] = [this.read("rate"), this.read("seed")];
      if (rate === null || seed === null) return;
      this.goal = null;
      this.learner = lib.create(this.hidden.value, rate, seed);
      this.trace = drawing.trace(["error"]);
      this.draw();
      this.describe();
    }

    redraw() {
      const seed = this.read("seed");
      if (seed === null) return;
      this.form.elements.seed.value = (seed + 1) % 1_000_000;
      this.restart();
    }

    launch(chosen) {
      this.choose(START);
      this.goal = { passes: LONG, chosen };
      this.quiz.say(`Le neurone apprend XOR pendant ${whole(LONG)} passages.`);
      this.setPlaying(true);
    }

    conclude() {
      const { chosen } = this.goal;
      this.goal = null;
      this.setPlaying(false);
      this.quiz.conclude(chosen, `Après ${whole(this.learner.passes)} passages : ${this.rightOnes()}.`);
    }

    setPlaying(playing) {
      if (playing && !this.hasBothTargets()) {
        return this.voice.say(this.status.textContent = "Posez au moins un point de chaque cible.");
      }
      this.playing = playing;
      this.playButton.textContent = playing ? "Pause" : "Jouer";
      cancelAnimationFrame(this.tick);
      if (playing) this.tick = requestAnimationFrame(() => this.frame());
      else this.describe();
    }

    hasBothTargets() {
      return [0, 1].every((target) => this.points.some((point) => point.target === target));
    }

    toggle() {
      this.setPlaying(!this.playing);
    }

    frame() {
      if (!this.playing) return;
      const start = performance.now();
      const wanted = this.goal ? 1000 : this.read("speed");
      for (let k = 0; k < wanted && performance.now() - start < FRAME; k++) {
        this.pass();
        if (this.goal && this.learner.passes >= this.goal.passes) {
          this.conclude();
          break;
        }
      }
      this.draw();
      if (this.playing) this.tick = requestAnimationFrame(() => this.frame());
    }

    pass() {
      const error = lib.pass(this.learner, this.points);
      this.trace.push(this.learner.passes, { error });
    }

    once() {
      if (this.playing) this.setPlaying(false);
      if (!this.hasBothTargets()) return this.setPlaying(true);
      this.pass();
      this.draw();
      this.describe();
    }

    /* --- les points --- */

    edit(points) {
      this.points = points;
      if (this.goal) this.quiz.say("");
      this.goal = null;
      this.form.elements.points.value = "own";
      if (this.playing && !this.hasBothTargets()) this.setPlaying(false);
      this.draw();
      this.describe();
    }

    erase() {
      this.setPlaying(false);
      this.edit([]);
    }

    near([x1, x2]) {
      const distance = (point) => Math.hypot(point.x1 - x1, point.x2 - x2);
      const [closest] = [...this.points].sort((a, b) => distance(a) - distance(b));
      return closest && distance(closest) < REACH ? closest : null;
    }

    add([x1, x2], target) {
      if (this.points.length >= MOST_POINTS) return this.voice.say(`${MOST_POINTS} points au plus.`);
      this.edit([...this.points, { x1, x2, target }]);
    }

    replace(old, ...others) {
      this.edit(this.points.flatMap((point) => (point === old ? others : [point])));
    }

    flip(point) {
      this.replace(point, { ...point, target: 1 - point.target });
    }

    listen(canvas) {
      canvas.tabIndex = 0;
      canvas.setAttribute("aria-describedby", "pc-help");
      canvas.classList.add("pc-plane");
      canvas.addEventListener("pointerdown", (event) => {
        [this.held, this.moved] = [this.near(this.under(event)), null];
      });
      canvas.addEventListener("pointermove", (event) => this.drag(event));
      canvas.addEventListener("click", (event) => this.click(event));
      canvas.addEventListener("keydown", (event) => this.key(event));
      for (const name of ["focus", "blur"]) canvas.addEventListener(name, () => this.draw()); // la croix
    }

    under({ offsetX, offsetY }) {
      return this.to.at(offsetX, offsetY).map((v) => Math.min(PLANE.high, Math.max(PLANE.low, v)));
    }

    drag(event) {
      if (!this.held || !event.buttons) return;
      const [x1, x2] = this.under(event);
      if (!this.moved && this.near([x1, x2]) === this.held) return;
      this.moved = { ...this.held, x1, x2 };
      this.replace(this.held, this.moved);
      this.held = this.moved;
    }

    click(event) {
      const touched = this.held;
      const hasMoved = this.moved;
      this.held = this.moved = null;
      if (hasMoved) return;
      this.cursor = this.under(event);
      if (touched) this.flip(touched);
      else this.add(this.cursor, this.read("label"));
    }

    key(event) {
      const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
      const move = moves[event.key];
      const point = this.near(this.cursor);
      if (move) {
        this.cursor = this.cursor.map((value, k) =>
          Math.min(PLANE.high, Math.max(PLANE.low, Math.round(20 * value + move[k]) / 20)));
        this.draw();
        this.sayCursor();
      } else if (event.key === "1" || event.key === "0") {
        this.add(this.cursor, Number(event.key));
      } else if (event.key === "Enter" && point) {
        this.flip(point);
      } else if (event.key === "Backspace" && point) {
        this.replace(point);
      } else return;
      event.preventDefault();
    }

    sayCursor() {
      const point = this.near(this.cursor);
      const [x1, x2] = this.cursor.map((value) => french(value, 2));
      const here = point ? ` Point de cible ${point.target}.` : "";
      this.voice.say(`x1 ${x1}, x2 ${x2}.${here}`);
    }

    /* --- le texte vivant --- */

    rightOnes() {
      const { length } = this.points;
      const right = length ? lib.countRight(this.learner, this.points) : 0;
      return `${right} exemple${right > 1 ? "s" : ""} sur ${length} du bon côté`;
    }

    summary() {
      const { passes, hidden, weights } = this.learner;
      const errors = this.trace.error;
      const error = errors.length ? ` · erreur ${french(errors[errors.length - 1], 3)}` : "";
      const values = hidden ? "" : ` · w0 ; w1 ; w2 = ${weights.map((w) => french(w, 2)).join(" ; ")}`;
      return `Passage ${whole(passes)}${error} · ${this.rightOnes()}${values}`;
    }

    describe() {
      const text = this.summary();
      this.voice.say(text);
      for (const shown of [this.plane, this.error, this.graph]) shown.describe(text);
    }

    /* --- dessiner --- */

    draw() {
      if (!this.panels.clientWidth) return;
      this.status.textContent = this.summary();
      const palette = drawing.palette(this.host);
      const [ctx, side] = drawing.fitted(this.plane.canvas);
      this.to = drawing.plane(side, side, PLANE, PLANE, { left: 0, right: 0, top: 0, bottom: 0 });
      this.drawPlane(ctx, side, palette);
      const [errorCtx, width, height] = drawing.fitted(this.error.canvas);
      drawing.curves(errorCtx, width, height, this.trace.steps,
        [{ values: this.trace.error, color: palette.real, dash: [] }], palette,
        { level: { value: 0.5, name: "" }, unit: "passage" });
      this.drawGraph(...drawing.fitted(this.graph.canvas), palette);
    }

    drawPlane(ctx, side, palette) {
      const answers = lib.predict(this.learner, gridPoints());
      drawing.clear(ctx, side, side, palette);
      ctx.globalAlpha = 0.55;
      ctx.imageSmoothingEnabled = true;
      ctx.drawImage(drawing.heatImage(answers, GRID, 0, 1, palette), 0, 0, side, side);
      ctx.globalAlpha = 1;
      ctx.strokeStyle = palette.ink;
      ctx.lineWidth = 2.5;
      ctx.setLineDash([]);
      drawing.contour(ctx, this.to, answers, GRID, PLANE, 0.5);
      for (const line of lib.lines(this.learner)) this.drawNeuron(ctx, line);
      for (const point of this.points) this.drawPoint(ctx, point, palette);
      if (document.activeElement === this.plane.canvas) this.drawCursor(ctx, palette);
    }

    /* Où le neurone hésite, un tiret ; où il répond plus, une flèche, longue comme ses poids au plus. */
    drawNeuron(ctx, [w0, w1, w2]) {
      const norm = Math.hypot(w1, w2);
      if (norm < 1e-9) return;
      const [u1, u2] = [w1 / norm, w2 / norm];
      const shift = w0 / norm - (u1 + u2) / 2; // du centre du plan à la droite
      const foot = [0.5 + shift * u1, 0.5 + shift * u2];
      const along = (n, t) => [foot[0] + n * u1 - t * u2, foot[1] + n * u2 + t * u1];
      const pixels = ([x, y]) => [this.to.x(x), this.to.y(y)];
      if (this.learner.hidden) {
        ctx.lineWidth = 1;
        ctx.setLineDash([5, 4]);
        ctx.beginPath();
        ctx.moveTo(...pixels(along(0, -3)));
        ctx.lineTo(...pixels(along(0, 3)));
        ctx.stroke();
      }
      ctx.setLineDash([]);
      ctx.lineWidth = 2;
      drawing.arrow(ctx, pixels(along(0, 0)), pixels(along(0.45 * Math.tanh(norm / 4), 0)));
    }

    drawPoint(ctx, { x1, x2, target }, palette) {
      const [x, y] = [this.to.x(x1), this.to.y(x2)];
      ctx.fillStyle = target ? palette.real : palette.drawn;
      ctx.strokeStyle = palette.ink;
      ctx.lineWidth = 1.5;
      ctx.beginPath();
      if (target) ctx.rect(x - 6.5, y - 6.5, 13, 13);
      else ctx.arc(x, y, 7, 0, 7);
      ctx.fill();
      ctx.stroke();
    }

    drawCursor(ctx, palette) {
      const [x, y] = [this.to.x(this.cursor[0]), this.to.y(this.cursor[1])];
      ctx.strokeStyle = palette.ink;
      ctx.lineWidth = 1.5;
      ctx.strokeRect(x - 12, y, 24, 0);
      ctx.strokeRect(x, y - 12, 0, 24);
    }

    /* Entrées à gauche, sortie à droite ; chaque poids, un trait. */
    drawGraph(ctx, side, _, palette) {
      drawing.clear(ctx, side, side, palette);
      const columns = this.columns();
      const place = (column, rank) => [
        side * (0.15 + (0.7 * column) / (columns.length - 1)),
        side * ((rank + 0.5) / columns[column].length),
      ];
      for (const { from, to, weight } of this.edges()) drawWeight(ctx, place(...from), place(...to), weight, palette);
      ctx.font = "13px sans-serif";
      ctx.textAlign = "center";
      ctx.lineWidth = 1.5;
      ctx.setLineDash([]);
      columns.forEach((names, column) => names.forEach((name, rank) => {
        const [x, y] = place(column, rank);
        ctx.beginPath();
        ctx.arc(x, y, side / 22 + 4, 0, 7);
        ctx.fillStyle = palette.paper;
        ctx.strokeStyle = palette.ink;
        ctx.fill();
        ctx.stroke();
        ctx.fillStyle = palette.ink;
        ctx.fillText(name, x, y + 4);
      }));
    }

    columns() {
      const { hidden } = this.learner;
      const inner = Array.from({ length: hidden }, (_, k) => `h${k + 1}`);
      return hidden ? [["1", "x1", "x2"], ["1", ...inner], ["y"]] : [["−1", "x1", "x2"], ["y"]];
    }

    edges() {
      const { hidden, weights, net } = this.learner;
      if (!hidden) return weights.map((weight, k) => ({ from: [0, k], to: [1, 0], weight }));
      const [first, last] = net.layers;
      const inner = Array.from(first.bias, (bias, k) =>
        [bias, first.weight[2 * k], first.weight[2 * k + 1]].map((weight, input) =>
          ({ from: [0, input], to: [1, k + 1], weight })));
      return [...inner.flat(), ...[last.bias[0], ...last.weight].map((weight, k) =>
        ({ from: [1, k], to: [2, 0], weight }))];
    }
  }

  function drawWeight(ctx, from, to, weight, palette) {
    ctx.strokeStyle = weight > 0 ? palette.real : palette.drawn;
    ctx.setLineDash(weight > 0 ? [] : [7, 4]);
    ctx.lineWidth = 0.5 + Math.min(8, 1.2 * Math.abs(weight));
    ctx.beginPath();
    ctx.moveTo(...from);
    ctx.lineTo(...to);
    ctx.stroke();
  }

  /* Les points du plan où la réponse est dessinée, la rangée du bas d'abord. */
  function gridPoints() {
    const at = (k) => PLANE.low + ((PLANE.high - PLANE.low) * (k + 0.5)) / GRID;
    const points = new Float64Array(2 * GRID * GRID);
    for (let k = 0; k < GRID * GRID; k++) {
      points[2 * k] = at(k % GRID);
      points[2 * k + 1] = at(Math.floor(k / GRID));
    }
    return points;
  }

  controls.live("perceptron", Demo);
})();
