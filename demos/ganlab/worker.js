/* Ce que fait le worker : jouer sans bloquer la page, et lui envoyer de quoi dessiner. */

function installWorker(root) {
  "use strict";
  const { nn, game: lib } = root;

  const HEAT = 28; // points par côté où l'on interroge D
  const CLOUD = 256; // points montrés
  const BURST = 8; // ms de calcul entre deux messages
  const FRAME = 33; // ms au moins entre deux images
  const MEASURE = 200; // ms au moins entre deux mesures
  const SLOW = 700; // ms entre deux mises à jour, au ralenti

  const heatPoints = Float64Array.from({ length: 2 * HEAT * HEAT }, (_, k) => {
    const cell = k >> 1;
    return ((k % 2 ? Math.floor(cell / HEAT) : cell % HEAT) + 0.5) / HEAT * 2 - 1;
  });

  let game = null;
  let rank = 0; // de la partie : la page ignore les images d'une autre
  let fixed = null; // les bruits et les vrais points montrés, toujours les mêmes
  let pace = "pause"; // "pause", "slow" ou "fast"
  let turn = 0; // au ralenti, rang de la prochaine mise à jour dans le pas
  let isDrawing = false; // la page n'a pas fini la dernière image
  let lastFrame = 0;
  let lastMeasure = 0;
  let timer = null;
  let sums = { steps: 0, discriminator: 0, generator: 0 };
  let shares = null; // moyenne mobile des parts de G, pour D*

  function begin(rules, started) {
    rank = started;
    game = lib.createGame(rules);
    const random = nn.random(game.rules.seed + 1);
    fixed = {
      real: new Float64Array(2 * CLOUD),
      noise: new Float64Array(CLOUD * game.rules.latentDim),
      grid: noiseGrid(game.rules),
    };
    lib.sampleLaw(game.centres, random, CLOUD, fixed.real);
    lib.fillNoise(game.rules, random, CLOUD, fixed.noise);
    turn = 0;
    shares = null;
    sums = { steps: 0, discriminator: 0, generator: 0 };
    lastMeasure = 0;
    frame("");
  }

  /* Une grille du bruit dont chaque case a la même probabilité, de 1 % à 99 %. */
  function noiseGrid(rules) {
    const side = rules.latentDim === 1 ? 120 : 15;
    const quantile = (k) => {
      const share = 0.01 + (0.98 * k) / side;
      return rules.noise === "uniform" ? Math.sqrt(3) * (2 * share - 1) : normalQuantile(share);
    };
    const axis = Array.from({ length: side + 1 }, (_, k) => quantile(k));
    return Float64Array.from(
      rules.latentDim === 1 ? axis : axis.flatMap((x) => axis.flatMap((y) => [x, y])),
    );
  }

  /* Par dichotomie sur la fonction de répartition : une grille par partie, rien ne presse. */
  function normalQuantile(share) {
    let low = -5;
    let high = 5;
    for (let k = 0; k < 40; k++) {
      const middle = (low + high) / 2;
      if (lib.cumulative(middle) < share) low = middle;
      else high = middle;
    }
    return (low + high) / 2;
  }

  /* --- jouer --------------------------------------------------------------------------------- */

  const channel = new MessageChannel();
  channel.port1.onmessage = () => {
    if (pace !== "fast") return;
    const end = performance.now() + BURST;
    do {
      lib.step(game);
      note(1);
    } while (performance.now() < end);
    if (!isDrawing && performance.now() - lastFrame > FRAME) frame("");
    channel.port2.postMessage(0);
  };

  function note(steps) {
    sums.steps += steps;
    sums.discriminator += game.losses.discriminator;
    sums.generator += game.losses.generator;
  }

  /* Une seule mise à jour, de D puis de G, comme le veut la règle. */
  function update() {
    const [forD, forG] = game.rules.updates;
    const isD = turn < forD;
    if (isD) lib.stepDiscriminator(game);
    else lib.stepGenerator(game);
    turn += 1;
    if (turn >= forD + forG) {
      turn = 0;
      game.steps += 1;
      note(1);
    }
    return isD ? "D" : "G";
  }

  function slowly() {
    frame(update());
    timer = setTimeout(slowly, SLOW);
  }

  function setPace(next) {
    clearTimeout(timer);
    pace = next;
    if (pace === "fast") channel.port2.postMessage(0);
    else if (pace === "slow") slowly();
    else frame("");
  }

  function once(camp) {
    setPace("pause");
    if (camp === "D") lib.stepDiscriminator(game);
    else if (camp === "G") lib.stepGenerator(game);
    else {
      lib.step(game);
      note(1);
    }
    frame(camp);
  }

  /* --- montrer ------------------------------------------------------------------------------- */

  function frame(played) {
    if (!game) return;
    isDrawing = true;
    lastFrame = performance.now();
    const { generator, discriminator } = game;
    const drawn = Float32Array.from(
      nn.forward(generator, fixed.noise, CLOUD).subarray(0, 2 * CLOUD),
    );
    const cells = fixed.grid.length / game.rules.latentDim;
    const grid = Float32Array.from(nn.forward(generator, fixed.grid, cells).subarray(0, 2 * cells));
    const pushes = pushesOn(drawn);
    const logits = nn.forward(discriminator, heatPoints, HEAT * HEAT);
    const heat = Float32Array.from(logits.subarray(0, HEAT * HEAT), opinion);
    const neurons = discriminator.layers
      .slice(0, -1)
      .map((layer) => Float32Array.from(layer.output.subarray(0, HEAT * HEAT * layer.outputs)));
    const message = {
      rank, steps: game.steps, played, drawn, grid, pushes, heat, neurons,
      real: Float32Array.from(fixed.real), latentDim: game.rules.latentDim, measure: measured(),
      best: shares && bestOpinion(),
    };
    root.postMessage(message, [drawn, grid, pushes, heat, ...neurons].map((a) => a.buffer));
  }

  function opinion(logit) {
    return game.rules.loss === "least_squares" ? Math.min(1, Math.max(0, logit)) : nn.sigmoid(logit);
  }

  /* Où la perte de G pousse chaque point : -∂L_G/∂x. */
  function pushesOn(points) {
    const slope = new Float64Array(CLOUD);
    const pushes = new Float64Array(2 * CLOUD);
    const logits = nn.forward(game.discriminator, points, CLOUD);
    const { generator } = nn.LOSSES[game.rules.loss];
    for (let n = 0; n < CLOUD; n++) slope[n] = -generator(logits[n])[1];
    nn.backward(game.discriminator, points, slope, CLOUD, { inputs: pushes });
    return Float32Array.from(pushes);
  }

  /* Une mesure de temps en temps : 4 000 points coûtent autant que plusieurs pas. */
  function measured() {
    if (pace === "fast" && performance.now() - lastMeasure < MEASURE) return null;
    lastMeasure = performance.now();
    const { js, kl, shares: found } = lib.measure(game);
    shares = shares ? shares.map((share, k) => 0.6 * share + 0.4 * found[k]) : found;
    const mean = (name) => (sums.steps ? sums[name] / sums.steps : game.losses[name]);
    const values = {
      step: game.steps, js, kl,
      discriminator: mean("discriminator"), generator: mean("generator"),
    };
    sums = { steps: 0, discriminator: 0, generator: 0 };
    return values;
  }

  /* D* = p / (p + q) dans chaque case ; NaN là où ni p ni q n'ont de points. */
  function bestOpinion() {
    const count = lib.SIDE * lib.SIDE;
    return Float32Array.from({ length: count }, (_, k) => {
      const total = game.exact[k] + shares[k];
      return total > 3e-5 ? game.exact[k] / total : NaN;
    });
  }

  /* Taux, mises à jour et perte changent sans recommencer. */
  function change(rules) {
    Object.assign(game.rules, rules);
    game.optimizers[0].rate = game.rules.rates[0];
    game.optimizers[1].rate = game.rules.rates[1];
    turn = 0;
  }

  const ACTIONS = {
    begin: ({ rules, rank: started }) => begin(rules, started),
    pace: ({ pace: next }) => setPace(next),
    once: ({ camp }) => once(camp),
    change: ({ rules }) => change(rules),
    drawn: () => {
      isDrawing = false;
    },
  };
  root.onmessage = ({ data }) => ACTIONS[data.action](data);
}
