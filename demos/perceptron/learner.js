/* Le neurone et le petit réseau du lab 1 : règle delta, rétropropagation. Rien ici ne dessine. */

function installLearner(root) {
  "use strict";
  const { nn } = root;

  const LOGIC = [[0, 0], [0, 1], [1, 0], [1, 1]];
  const TARGETS = { ET: [0, 0, 0, 1], OU: [0, 1, 1, 1], XOR: [0, 1, 1, 0] };
  const logic = (name) => LOGIC.map(([x1, x2], n) => ({ x1, x2, target: TARGETS[name][n] }));

  const uniform = (random) => () => 2 * random.uniform() - 1; // sur [-1, 1], comme dans le lab

  /* --- aucun neurone caché : labkit.perceptron.Perceptron ---------------------------------------- */

  function createNeuron(rate, seed) {
    const draw = uniform(nn.random(seed));
    return { hidden: 0, rate, passes: 0, weights: [draw(), draw(), draw()] }; // w0 (seuil), w1, w2
  }

  function answer([w0, w1, w2], x1, x2) {
    return nn.sigmoid(-w0 + w1 * x1 + w2 * x2);
  }

  /* Un passage, un exemple à la fois : δ = t - y, puis w ← w + η x δ. Renvoie |δ| moyen. */
  function passOfNeuron(neuron, points) {
    const { weights, rate } = neuron;
    let error = 0;
    for (const { x1, x2, target } of points) {
      const delta = target - answer(weights, x1, x2);
      weights[0] -= rate * delta;
      weights[1] += rate * x1 * delta;
      weights[2] += rate * x2 * delta;
      error += Math.abs(delta);
    }
    return error / points.length;
  }

  /* --- des neurones cachés : le réseau de la section 9 ------------------------------------------- */

  function createNetwork(hidden, rate, seed) {
    const random = nn.random(seed);
    const net = nn.network([2, hidden, 1], random, "sigmoid");
    const draw = uniform(random);
    for (const { weight, bias } of net.layers) {
      for (const values of [weight, bias]) values.forEach((_, k) => { values[k] = draw(); });
    }
    return { hidden, rate, passes: 0, net, optimizer: nn.OPTIMIZERS.sgd(net, rate) };
  }

  /* Une mise à jour, d'après tous les exemples à la fois. Renvoie |t - y| moyen, avant elle. */
  function passOfNetwork(learner, points) {
    const { net, optimizer } = learner;
    const x = Float64Array.from(points.flatMap(({ x1, x2 }) => [x1, x2]));
    const logits = nn.forward(net, x, points.length);
    let error = 0;
    const slopes = Float64Array.from(points, ({ target }, n) => {
      const delta = target - nn.sigmoid(logits[n]);
      error += Math.abs(delta);
      return -delta; // l'entropie croisée, dérivée par rapport au logit
    });
    nn.clearGradients(net);
    nn.backward(net, x, slopes, points.length, { weights: true });
    optimizer.step();
    return error / points.length;
  }

  /* --- l'un ou l'autre ---------------------------------------------------------------------------- */

  function create(hidden, rate, seed) {
    return hidden ? createNetwork(hidden, rate, seed) : createNeuron(rate, seed);
  }

  function pass(learner, points) {
    learner.passes += 1;
    return learner.hidden ? passOfNetwork(learner, points) : passOfNeuron(learner, points);
  }

  /* Réponses y, dans ]0, 1[, à des points [N, 2] rangés à la suite. */
  function predict(learner, x) {
    const count = x.length / 2;
    if (!learner.hidden) {
      return Float64Array.from({ length: count }, (_, n) => answer(learner.weights, x[2 * n], x[2 * n + 1]));
    }
    return Float64Array.from(nn.forward(learner.net, x, count).subarray(0, count), nn.sigmoid);
  }

  function countRight(learner, points) {
    const answers = predict(learner, Float64Array.from(points.flatMap(({ x1, x2 }) => [x1, x2])));
    return points.filter(({ target }, n) => (answers[n] > 0.5) === (target === 1)).length;
  }

  /* Les droites des neurones qui lisent le plan : [[w0, w1, w2], …], w0 le seuil. */
  function lines(learner) {
    if (!learner.hidden) return [learner.weights];
    const { weight, bias } = learner.net.layers[0];
    return Array.from(bias, (b, k) => [-b, weight[2 * k], weight[2 * k + 1]]);
  }

  root.learner = { logic, create, pass, predict, countRight, lines };
}

installLearner(globalThis);
