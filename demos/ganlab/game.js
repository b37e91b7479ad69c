/* Une partie : lois du plan, pas de D et de G, mesures. Le pendant de labkit.plane et de
   labkit.points, dont les noms sont repris. Rien ici ne dessine : un worker s'en sert. */

function installGame(root) {
  "use strict";
  const { nn } = root;

  const SIDE = 20; // cases par côté de la grille des écarts
  const BLUR = 0.04; // écart type des points autour d'un dessin
  const DENSE = 400; // centres d'une courbe
  const SHOWN = 4000; // points tirés pour une mesure

  const DEFAULTS = {
    law: "ring", latentDim: 2, noise: "gaussian", generatorDims: [32, 32],
    discriminatorDims: [32, 32], updates: [1, 1], loss: "non_saturating", optimizer: "adam",
    rates: [2e-3, 1e-3], batchSize: 256, seed: 0,
  };

  /* --- les lois : des centres, et un bruit rond autour --------------------------------------- */

  function along(curve) {
    return Array.from({ length: DENSE }, (_, rank) => curve((rank + 0.5) / DENSE));
  }

  function circle(turn, radius) {
    return [radius * Math.cos(turn), radius * Math.sin(turn)];
  }

  const DRAWINGS = {
    line: () => along((u) => [1.4 * u - 0.7, 0.8 * u - 0.4]),
    two_lines: () => [-0.4, 0.4].flatMap((y) => along((u) => [1.2 * u - 0.6, y])),
    ring: () => along((u) => circle(2 * Math.PI * u, 0.6)),
    gaussians: () => Array.from({ length: 8 }, (_, rank) => circle((rank * Math.PI) / 4, 0.6)),
    spiral: () => along((u) => circle(3 * Math.PI * Math.sqrt(u), 0.75 * Math.sqrt(u))),
  };

  /* Les centres [M, 2] d'un nom de loi, ou les points que l'on a dessinés. */
  function centresOf(law) {
    return Float64Array.from((typeof law === "string" ? DRAWINGS[law]() : law).flat());
  }

  function sampleLaw(centres, random, count, points) {
    const choices = centres.length / 2;
    for (let n = 0; n < count; n++) {
      const chosen = Math.floor(random.uniform() * choices);
      points[2 * n] = centres[2 * chosen] + BLUR * random.normal();
      points[2 * n + 1] = centres[2 * chosen + 1] + BLUR * random.normal();
    }
  }

  /* Fonction de répartition de la loi normale (Abramowitz et Stegun, 7.1.26 : à 10⁻⁷ près). */
  function cumulative(x) {
    const t = 1 / (1 + (0.3275911 * Math.abs(x)) / Math.SQRT2);
    const series =
      t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    const tail = (series * Math.exp((-x * x) / 2)) / 2;
    return x < 0 ? tail : 1 - tail;
  }

  /* Probabilité exacte de chaque case, [SIDE² + 1] : la dernière est tout le dehors. */
  function lawShares(centres) {
    const shares = new Float64Array(SIDE * SIDE + 1);
    const count = centres.length / 2;
    const bars = [new Float64Array(SIDE), new Float64Array(SIDE)];
    for (let n = 0; n < count; n++) {
      for (const axis of [0, 1]) {
        let below = cumulative((-1 - centres[2 * n + axis]) / BLUR);
        for (let k = 0; k < SIDE; k++) {
          const above = cumulative((-1 + (2 * (k + 1)) / SIDE - centres[2 * n + axis]) / BLUR);
          bars[axis][k] = above - below;
          below = above;
        }
      }
      for (let row = 0; row < SIDE; row++) {
        if (bars[1][row] < 1e-12) continue;
        for (let k = 0; k < SIDE; k++) shares[row * SIDE + k] += (bars[0][k] * bars[1][row]) / count;
      }
    }
    shares[SIDE * SIDE] = Math.max(0, 1 - shares.reduce((sum, share) => sum + share, 0));
    return shares;
  }

  /* Part de points dans chaque case ; `added` s'ajoute à chaque compte. */
  function cellShares(points, count, added = 0) {
    const shares = new Float64Array(SIDE * SIDE + 1).fill(added);
    for (let n = 0; n < count; n++) {
      const column = Math.floor(((points[2 * n] + 1) / 2) * SIDE);
      const row = Math.floor(((points[2 * n + 1] + 1) / 2) * SIDE);
      const inside = column >= 0 && column < SIDE && row >= 0 && row < SIDE;
      shares[inside ? row * SIDE + column : SIDE * SIDE] += 1;
    }
    const total = count + added * shares.length;
    return shares.map((share) => share / total);
  }

  function klDivergence(p, q) {
    let sum = 0;
    for (let k = 0; k < p.length; k++) if (p[k] > 0) sum += p[k] * Math.log(p[k] / q[k]);
    return sum;
  }

  function jsDivergence(p, q) {
    const middle = p.map((share, k) => (share + q[k]) / 2);
    return (klDivergence(p, middle) + klDivergence(q, middle)) / 2;
  }

  /* --- la partie ----------------------------------------------------------------------------- */

  /* Le bruit que lit G, de moyenne nulle et de variance 1. */
  function fillNoise(rules, random, count, noise) {
    const uniform = rules.noise === "uniform";
    for (let k = 0; k < count * rules.latentDim; k++) {
      noise[k] = uniform ? Math.sqrt(3) * (2 * random.uniform() - 1) : random.normal();
    }
  }

  function createGame(settings) {
    const rules = { ...DEFAULTS, ...settings };
    const random = nn.random(rules.seed);
    const centres = centresOf(rules.law);
    const generator = nn.network([rules.latentDim, ...rules.generatorDims, 2], random);
    const discriminator = nn.network([2, ...rules.discriminatorDims, 1], random);
    const optimizer = nn.OPTIMIZERS[rules.optimizer];
    const size = rules.batchSize;
    return {
      rules, random, centres, generator, discriminator,
      exact: lawShares(centres),
      steps: 0,
      losses: { discriminator: NaN, generator: NaN },
      optimizers: [optimizer(discriminator, rules.rates[0]), optimizer(generator, rules.rates[1])],
      buffers: {
        real: new Float64Array(2 * size), noise: new Float64Array(rules.latentDim * size),
        slope: new Float64Array(size), toPoints: new Float64Array(2 * size),
      },
    };
  }

  /* D apprend sur des vrais points et autant de tirages. Points et bruit peuvent être donnés. */
  function stepDiscriminator(game, given) {
    const { rules, random, generator, discriminator, buffers } = game;
    const count = rules.batchSize;
    const loss = nn.LOSSES[rules.loss];
    const real = given ? given.real : buffers.real;
    const noise = given ? given.noise : buffers.noise;
    if (!given) {
      sampleLaw(game.centres, random, count, real);
      fillNoise(rules, random, count, noise);
    }
    nn.clearGradients(discriminator);
    let total = 0;
    for (const [points, side] of [[real, loss.real], [null, loss.drawn]]) {
      const x = points || nn.forward(generator, noise, count);
      total += nn.meanLoss(side, nn.forward(discriminator, x, count), count, buffers.slope);
      nn.backward(discriminator, x, buffers.slope, count, { weights: true });
    }
    game.optimizers[0].step();
    game.losses.discriminator = total;
    return total;
  }

  /* G apprend par le gradient que D envoie à ses points ; les poids de D ne changent pas. */
  function stepGenerator(game, given) {
    const { rules, generator, discriminator, buffers } = game;
    const count = rules.batchSize;
    const noise = given ? given.noise : buffers.noise;
    if (!given) fillNoise(rules, game.random, count, noise);
    const points = nn.forward(generator, noise, count);
    const logits = nn.forward(discriminator, points, count);
    const total = nn.meanLoss(nn.LOSSES[rules.loss].generator, logits, count, buffers.slope);
    nn.backward(discriminator, points, buffers.slope, count, { inputs: buffers.toPoints });
    nn.clearGradients(generator);
    nn.backward(generator, noise, buffers.toPoints, count, { weights: true });
    game.optimizers[1].step();
    game.losses.generator = total;
    return total;
  }

  /* Un pas : D autant de fois que le veut la règle, puis G. */
  function step(game) {
    for (let turn = 0; turn < game.rules.updates[0]; turn++) stepDiscriminator(game);
    for (let turn = 0; turn < game.rules.updates[1]; turn++) stepGenerator(game);
    game.steps += 1;
  }

  /* Les écarts de la loi aux points de G. Le hasard des mesures est à part : regarder plus
     souvent ne change pas la partie. */
  function measure(game) {
    const random = nn.random(game.rules.seed + 7919 * (game.steps + 1));
    const noise = new Float64Array(SHOWN * game.rules.latentDim);
    fillNoise(game.rules, random, SHOWN, noise);
    const points = nn.forward(game.generator, noise, SHOWN);
    return {
      js: jsDivergence(game.exact, cellShares(points, SHOWN)),
      kl: klDivergence(game.exact, cellShares(points, SHOWN, 0.5)),
      shares: cellShares(points, SHOWN),
    };
  }

  root.game = {
    SIDE, BLUR, DEFAULTS, DRAWINGS,
    centresOf, sampleLaw, lawShares, cellShares, klDivergence, jsDivergence, fillNoise,
    cumulative, createGame, stepDiscriminator, stepGenerator, step, measure,
  };
}

installGame(globalThis);
