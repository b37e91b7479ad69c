/* La page : réglages, commandes, dessins et texte vivant. Le calcul est dans un worker. */

(() => {
  "use strict";
  const { controls, drawing, game: lib, views, scenarios, workers } = globalThis;
  const { button, check, commands, complain, element, field, french, panel, quiz, toText, voice, whole } =
    controls;

  const SCENARIO_STEPS = 1200;
  const SPOKEN = 10_000; // ms entre deux lectures du texte vivant

  const DIVERGED =
    "La partie a divergé : des poids sont infinis. Baissez les taux, ou prenez Adam, puis « Recommencer ».";

  /* --- les réglages : lire, ou dire ce qui ne va pas -------------------------------------------- */

  function layers(text) {
    const sizes = text.split(/[\s,;]+/).filter(Boolean).map(Number);
    if (!sizes.length) throw new Error("Il faut au moins une couche cachée, comme 32.");
    if (sizes.length > 4 || !sizes.every((n) => Number.isInteger(n) && n >= 1 && n <= 64)) {
      throw new Error("Une à quatre couches de 1 à 64 neurones sont attendues, comme 32 32.");
    }
    return sizes;
  }

  const choice = (text) => text;
  const RATE = controls.positive(1, 0.002);

  /* `live` : change sans recommencer la partie. */
  const FIELDS = [
    { name: "law", label: "Loi des vrais points", read: choice, options: {
      line: "une droite", two_lines: "deux droites", ring: "un anneau", gaussians: "huit gaussiennes",
      spiral: "une spirale", own: "celle que je dessine" } },
    { name: "latentDim", label: "Dimension du bruit", read: Number, options: { 1: "1", 2: "2" } },
    { name: "noise", label: "Loi du bruit", read: choice,
      options: { gaussian: "gaussienne", uniform: "uniforme" } },
    { name: "generatorDims", label: "Neurones cachés de G", read: layers, hint: "une couche par nombre" },
    { name: "discriminatorDims", label: "Neurones cachés de D", read: layers, hint: "une couche par nombre" },
    { name: "batchSize", label: "Points d'un lot", read: whole(8, 512) },
    { name: "optimizer", label: "Optimiseur", read: choice, options: { adam: "Adam", sgd: "SGD" } },
    { name: "loss", label: "Perte", read: choice, live: true, options: {
      non_saturating: "log, non saturante", minimax: "log, minimax", least_squares: "moindres carrés" } },
    { name: "updatesD", label: "Mises à jour de D par pas", read: whole(0, 20), live: true },
    { name: "updatesG", label: "Mises à jour de G par pas", read: whole(0, 20), live: true },
    { name: "rateD", label: "Taux d'apprentissage de D", read: RATE, live: true },
    { name: "rateG", label: "Taux d'apprentissage de G", read: RATE, live: true },
    { name: "seed", label: "Graine", read: whole(0, 999999) },
  ];

  function toFields({ updates, rates, ...rules }) {
    const [updatesD, updatesG] = updates;
    const [rateD, rateG] = rates;
    return { ...rules, updatesD, updatesG, rateD, rateG };
  }

  function toRules({ updatesD, updatesG, rateD, rateG, ...rules }) {
    return { ...rules, updates: [updatesD, updatesG], rates: [rateD, rateG] };
  }

  const PANELS = {
    cloud: ["Les points", "○ vrais, ■ tirés par G, traits : où D les pousse"],
    heat: ["Ce que D croit", "bleu : vrai ; orange : tiré ; points de G en noir"],
    best: ["Le D exact, p / (p + q)", "vide : aucun point ; q compté sur les derniers tirages"],
    grid: ["La grille du bruit, vue par G", "foncé : rétréci ; bleu : retourné"],
    losses: ["Les pertes", "trait plein : D ; tirets : G"],
    gaps: ["Les écarts à la loi", "trait plein : JS ; tirets : KL, en nats"],
  };

  /* --- la démonstration --------------------------------------------------------------------------- */

  class Demo {
    constructor(host) {
      this.host = host;
      this.points = []; // dessinés par le lecteur
      this.cursor = [0, 0];
      this.curves = null;
      this.frame = null;
      this.pace = "pause";
      this.games = 0; // parties commencées
      this.scenario = null;
      this.lastSpoken = 0;
      this.shown = null; // [couche, neurone] montré à la place de D
      this.build();
      this.worker = workers.start([installNN, installGame, installWorker], (text) => this.stop(text));
      this.worker.onmessage = ({ data }) => this.receive(data);
      this.begin(lib.DEFAULTS);
      this.watch();
    }

    build() {
      this.form = element("form", { class: "demo-settings", "aria-label": "Réglages",
        onsubmit: (event) => { event.preventDefault(); this.restart(); } },
        ...FIELDS.map((f) => field("gl", f, toFields(lib.DEFAULTS)[f.name], (name) => this.changed(name))));
      this.playButton = button("Jouer", () => this.toggle(), { class: "demo-main" });
      const slow = check("gl-slow", "Au ralenti", () => this.slowed());
      this.slow = slow.input;
      const played = commands("Commandes", this.playButton,
        button("Un pas", () => this.once("")),
        button("D seul", () => this.once("D")),
        button("G seul", () => this.once("G")),
        slow.node,
        button("Recommencer", () => this.restart()));
      this.status = element("p", { class: "demo-status" });
      this.voice = voice();
      this.shownPanels = Object.fromEntries(Object.entries(PANELS).map(([name, texts]) =>
        [name, panel(name, ...texts)]));
      this.panels = element("div", { class: "demo-panels" },
        ...Object.values(this.shownPanels).map(({ node }) => node));
      this.drawing = element("div", { class: "gl-drawing", hidden: true },
        element("p", { id: "gl-drawing-help" }, "Tracez dans « Les points », à la souris ou au doigt ; au " +
          "clavier, les flèches déplacent la croix, Entrée pose un point, Retour arrière ôte le dernier. " +
          "Puis « Recommencer »."),
        button("Effacer mon dessin", () => { this.points = []; this.draw(); this.say("Dessin effacé."); }));
      this.neurons = element("div", { class: "gl-neurons" });
      this.host.replaceChildren(this.buildScenarios(), played, this.status, this.voice.node,
        this.panels, this.drawing,
        element("details", {}, element("summary", {}, "Ce que voit chaque neurone de D"),
          element("p", {}, "Survolez un neurone, ou parcourez-les avec les flèches : sa réponse remplace " +
            "celle de D dans le second dessin."), this.neurons),
        element("p", { class: "demo-title" }, "Réglages"), this.form);
      this.listenToDrawing(this.shownPanels.cloud.canvas);
    }

    /* --- les expériences : prédire, jouer, comparer --- */

    buildScenarios() {
      this.asked = element("div");
      return element("section", { "aria-label": "Cinq expériences" },
        element("p", {}, "Cinq expériences, chacune avec une prédiction à faire d'abord :"),
        element("div", { class: "demo-commands" },
          ...scenarios.map((scenario) => button(scenario.title, () => this.ask(scenario)))),
        this.asked);
    }

    ask(scenario) {
      this.quiz = quiz("gl", scenario, (chosen) => this.launch(scenario, chosen));
      this.asked.replaceChildren(this.quiz.node);
      this.quiz.focus();
    }

    launch(scenario, chosen) {
      const { rules, against } = scenario;
      this.play({ ...scenario, chosen, games: against ? [rules, { ...rules, ...against }] : [rules], gaps: [] });
    }

    /* Joue la prochaine partie d'une expérience. */
    play(scenario) {
      const { games, gaps } = scenario;
      const rules = { ...lib.DEFAULTS, ...games[gaps.length] };
      this.fill(rules);
      this.begin(rules);
      this.scenario = scenario;
      const which = games.length > 1 ? ` Partie ${gaps.length + 1} sur ${games.length}.` : "";
      this.quiz.say(`L'expérience joue : ${SCENARIO_STEPS} pas.${which}`);
      this.wasStopped = false;
      this.setPace("fast");
    }

    conclude() {
      const { scenario } = this;
      const { games, gaps, names, chosen, early = 0 } = scenario;
      gaps.push(gapsOf(this.curves, early));
      if (gaps.length < games.length) return this.play(scenario);
      this.scenario = null;
      const found = names ? gaps.map((text, rank) => `${names[rank]} : ${text}`) : gaps;
      this.quiz.conclude(chosen, `${names ? "JS, " : "JS : "}${found.join(" ; ")}.`);
      this.wasStopped = true;
      this.setPace("pause");
    }

    /* --- les réglages --- */

    read(names) {
      const values = {};
      let isRight = true;
      for (const { name, read } of FIELDS.filter((f) => names.includes(f.name))) {
        const input = this.form.elements[name];
        try {
          values[name] = read(input.value);
          this.complain(name, "");
        } catch (error) {
          this.complain(name, error.message);
          isRight = false;
        }
      }
      if (isRight && values.updatesD + values.updatesG === 0) {
        this.complain("updatesG", "D et G à 0 : aucun n'apprendrait. Mettez au moins 1 à l'un des deux.");
        return null;
      }
      if (isRight && values.law === "own" && this.points.length < 2) {
        this.complain("law", `Dessinez au moins deux points : il y en a ${this.points.length}.`);
        return null;
      }
      return isRight ? values : null;
    }

    complain(name, text) {
      complain(this.form.elements[name], text);
    }

    changed(name) {
      const isOwn = this.form.elements.law.value === "own";
      this.drawing.hidden = !isOwn;
      const { canvas } = this.shownPanels.cloud;
      canvas.tabIndex = isOwn ? 0 : -1;
      canvas.classList.toggle("demo-open", isOwn);
      if (name === "law") {
        this.complain("law", "");
        if (!isOwn) this.restart();
        else this.say("Dessinez dans « Les points », puis « Recommencer ».");
        this.draw();
        return;
      }
      if (!FIELDS.find((f) => f.name === name).live) {
        if (this.read([name])) this.say("« Recommencer » appliquera ce réglage.");
        return;
      }
      const live = this.read(FIELDS.filter((f) => f.live).map((f) => f.name));
      if (!live) return;
      this.rules = { ...this.rules, ...toRules(live) };
      this.worker.postMessage({ action: "change", rules: toRules(live) });
      this.say("Réglage appliqué à la partie en cours.");
    }

    fill(rules) {
      for (const [name, value] of Object.entries(toFields(rules))) {
        this.form.elements[name].value = toText(value);
        this.complain(name, "");
      }
      this.drawing.hidden = true;
    }

    restart() {
      const values = this.read(FIELDS.map((f) => f.name));
      if (!values) {
        this.form.querySelector("[aria-invalid=true]").focus();
        return this.say("Un réglage est à reprendre ; la partie en cours continue.");
      }
      this.scenario = null;
      const rules = toRules(values);
      this.begin(values.law === "own" ? { ...rules, law: this.points } : rules);
      this.say("Nouvelle partie, au pas 0.");
    }

    /* --- la partie --- */

    begin(rules) {
      this.rules = rules;
      this.curves = drawing.trace(["discriminator", "generator", "js", "kl"]);
      this.shown = null;
      this.problem = ""; // ce qui a arrêté la partie
      this.buildNeurons(rules.discriminatorDims);
      this.worker.postMessage({ action: "begin", rules, rank: ++this.games });
      if (this.pace !== "pause") this.worker.postMessage({ action: "pace", pace: this.pace });
    }

    setPace(pace) {
      this.pace = pace;
      this.playButton.textContent = pace === "pause" ? "Jouer" : "Pause";
      this.worker.postMessage({ action: "pace", pace });
      if (pace === "pause") this.speakSoon = true;
    }

    wantedPace() {
      return this.slow.checked ? "slow" : "fast";
    }

    toggle() {
      this.wasStopped = this.pace !== "pause"; // par le lecteur : défiler ne relance pas
      this.setPace(this.pace === "pause" ? this.wantedPace() : "pause");
    }

    slowed() {
      if (this.pace !== "pause") this.setPace(this.wantedPace());
    }

    once(camp) {
      this.wasStopped = true;
      this.pace = "pause";
      this.playButton.textContent = "Jouer";
      this.speakSoon = true;
      this.worker.postMessage({ action: "once", camp });
    }

    /* Joue dès que la page la montre, sauf si le lecteur préfère le calme ; s'arrête hors de vue. */
    watch() {
      this.wasStopped = controls.prefersCalm();
      new IntersectionObserver(([entry]) => {
        if (entry.isIntersecting && !this.wasStopped) this.setPace(this.wantedPace());
        else if (!entry.isIntersecting && this.pace !== "pause") this.setPace("pause");
      }, { threshold: 0.2 }).observe(this.panels);
      controls.watch(this.panels, () => this.draw());
    }

    receive(frame) {
      if (frame.rank !== this.games) return; // envoyée avant que la partie ne recommence
      this.frame = frame;
      if (frame.measure) this.record(frame.measure);
      requestAnimationFrame(() => {
        this.draw();
        this.worker.postMessage({ action: "drawn" });
      });
      if (!frame.drawn.every(Number.isFinite)) return this.stop(DIVERGED);
      if (this.scenario && frame.steps >= SCENARIO_STEPS) this.conclude();
      if (this.speakSoon || performance.now() - this.lastSpoken >= SPOKEN) this.describe();
    }

    /* La partie ne peut pas continuer : dit pourquoi, et n'en dit plus rien d'autre. */
    stop(problem) {
      if (this.problem) return;
      this.problem = problem;
      this.wasStopped = true;
      this.setPace("pause");
      this.speakSoon = false;
      if (this.scenario) this.quiz.say(problem);
      this.scenario = null;
      this.status.textContent = problem;
      this.say(problem);
    }

    record(measure) {
      const { curves } = this;
      if (curves.steps[curves.steps.length - 1] === measure.step) return;
      curves.push(measure.step, measure);
    }

    /* --- le texte vivant --- */

    say(text) {
      this.voice.say(text);
    }

    summary() {
      const { curves, frame } = this;
      if (this.problem) return this.problem;
      const last = (name) => curves[name][curves[name].length - 1];
      const losses = Number.isFinite(last("discriminator")) && Number.isFinite(last("generator"))
        ? ` · perte de D ${french(last("discriminator"), 2)}, de G ${french(last("generator"), 2)}` : "";
      const played = { D: " · D vient d'apprendre", G: " · G vient d'apprendre" }[frame.played] || "";
      const gaps = curves.js.length ? ` · JS ${french(last("js"), 3)}` : "";
      return `Pas ${frame.steps}${gaps}${losses}${played}`;
    }

    /* Lu à voix haute de loin en loin, et à chaque arrêt. */
    describe() {
      this.speakSoon = false;
      this.lastSpoken = performance.now();
      const text = this.summary();
      this.say(this.pace === "pause" ? `En pause. ${text}` : text);
      for (const { describe } of Object.values(this.shownPanels)) describe(text);
    }

    /* --- dessiner la page --- */

    context(name) {
      return drawing.fitted(this.shownPanels[name].canvas);
    }

    draw() {
      const { frame, curves } = this;
      if (!frame || !this.panels.clientWidth) return;
      const palette = drawing.palette(this.host);
      this.status.textContent = this.summary();
      this.drawCloud(palette);
      this.drawHeat(palette);
      if (frame.best) {
        const [ctx, side] = this.context("best");
        views.heat(ctx, side, frame.best, palette, { smooth: false });
      }
      const [gridCtx, gridSide] = this.context("grid");
      views.gridImage(gridCtx, gridSide, frame.grid, frame.latentDim, palette);
      const pair = (a, b) => [
        { values: curves[a], color: palette.real, dash: [] },
        { values: curves[b], color: palette.drawn, dash: [6, 4] },
      ];
      const isLog = this.rules.loss !== "least_squares";
      drawing.curves(...this.context("losses"), curves.steps, pair("discriminator", "generator"), palette,
        isLog ? { level: { value: 2 * Math.LN2, name: "2 log 2" } } : {});
      drawing.curves(...this.context("gaps"), curves.steps, pair("js", "kl"), palette);
      this.drawNeurons(palette);
    }

    drawCloud(palette) {
      const [ctx, side] = this.context("cloud");
      if (this.drawing.hidden) return views.cloud(ctx, side, this.frame, palette);
      views.cloud(ctx, side, { real: this.points.flat(), drawn: [] }, palette);
      const [x, y] = [this.cursor[0], -this.cursor[1]]
        .map((value) => ((value / views.MARGIN + 1) / 2) * side);
      ctx.strokeStyle = palette.ink;
      ctx.strokeRect(x - 8, y, 16, 0);
      ctx.strokeRect(x, y - 8, 0, 16);
    }

    drawHeat(palette) {
      const [ctx, side] = this.context("heat");
      const { heat, neurons, drawn } = this.frame;
      const { caption } = this.shownPanels.heat;
      if (!this.shown) {
        caption.textContent = PANELS.heat[1];
        return views.heat(ctx, side, heat, palette, { points: drawn });
      }
      const [layer, neuron] = this.shown;
      const count = this.rules.discriminatorDims[layer];
      const { values, reach } = views.neuronValues(neurons[layer], neuron, count);
      caption.textContent = `couche ${layer + 1}, neurone ${neuron + 1} : bleu, il répond`;
      views.heat(ctx, side, values, palette, { points: drawn, low: -reach, high: reach });
    }

    /* Un seul arrêt de tabulation par couche ; les flèches vont d'un neurone à l'autre. */
    buildNeurons(sizes) {
      this.thumbnails = sizes.map((count, layer) => Array.from({ length: count }, (_, neuron) => {
        const show = (shown) => { this.shown = shown; this.draw(); };
        const canvas = element("canvas", { width: 28, height: 28 });
        const button = element("button", { type: "button", tabindex: neuron ? -1 : 0,
          "aria-label": `Couche ${layer + 1}, neurone ${neuron + 1}`,
          onfocus: () => show([layer, neuron]), onmouseenter: () => show([layer, neuron]),
          onblur: () => show(null), onmouseleave: () => show(null),
          onkeydown: (event) => this.moveAlong(event, layer, neuron) }, canvas);
        return { button, canvas };
      }));
      this.neurons.replaceChildren(...this.thumbnails.map((row, layer) =>
        element("div", { role: "group", "aria-label": `Couche ${layer + 1} de D` },
          element("span", {}, `Couche ${layer + 1}`), ...row.map(({ button }) => button))));
    }

    moveAlong(event, layer, neuron) {
      const shift = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const row = this.thumbnails[layer];
      const target = row[neuron + shift];
      if (!shift || !target) return;
      event.preventDefault();
      row[neuron].button.tabIndex = -1;
      target.button.tabIndex = 0;
      target.button.focus();
    }

    drawNeurons(palette) {
      if (!this.neurons.parentElement.open) return;
      const now = performance.now();
      if (this.pace === "fast" && now - (this.lastThumbnails || 0) < 250) return;
      this.lastThumbnails = now;
      this.thumbnails.forEach((row, layer) => {
        if (!this.frame.neurons[layer]) return;
        row.forEach(({ canvas }, neuron) => views.thumbnail(canvas.getContext("2d"),
          this.frame.neurons[layer], neuron, row.length, palette));
      });
    }

    /* --- dessiner sa loi --- */

    listenToDrawing(canvas) {
      const isOpen = () => !this.drawing.hidden;
      canvas.addEventListener("pointerdown", (event) => {
        if (!isOpen()) return;
        canvas.setPointerCapture(event.pointerId);
        this.add(this.under(event));
      });
      canvas.addEventListener("pointermove", (event) => {
        if (isOpen() && event.buttons) this.add(this.under(event));
      });
      canvas.addEventListener("keydown", (event) => { if (isOpen()) this.drawByKey(event); });
    }

    under(event) {
      const box = this.shownPanels.cloud.canvas.getBoundingClientRect();
      const x = (2 * (event.clientX - box.left)) / box.width - 1;
      const y = 1 - (2 * (event.clientY - box.top)) / box.height;
      return [x * views.MARGIN, y * views.MARGIN];
    }

    add(point) {
      this.cursor = point.map((value) => Math.min(0.95, Math.max(-0.95, value)));
      const last = this.points[this.points.length - 1];
      const isNear = last && Math.hypot(last[0] - this.cursor[0], last[1] - this.cursor[1]) < 0.02;
      if (!isNear && this.points.length < 500) this.points.push(this.cursor);
      this.complain("law", "");
      this.draw();
    }

    drawByKey(event) {
      const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
      const move = moves[event.key];
      if (move) this.cursor = this.cursor.map((value, k) => Math.max(-0.95, Math.min(0.95, value + 0.05 * move[k])));
      else if (event.key === "Enter" || event.key === " ") this.add(this.cursor);
      else if (event.key === "Backspace") this.points.pop();
      else return;
      event.preventDefault();
      const [x, y] = this.cursor.map((value) => french(value, 2));
      this.say(`Croix en ${x} ; ${y}. Points posés : ${this.points.length}.`);
      this.draw();
    }
  }

  /* L'écart JS au pas le plus proche de `early`, et le dernier. */
  function gapsOf({ steps, js }, early) {
    const far = (step) => Math.abs(step - early);
    const first = steps.reduce((best, step, k) => (far(step) < far(steps[best]) ? k : best), 0);
    return `${french(js[first], 2)} ${early ? `vers ${early} pas` : "au départ"}, ${french(js[js.length - 1], 2)} à la fin`;
  }

  controls.live("ganlab", Demo);
})();
