/* Le DCGAN du lab 5, en évaluation, et un chemin entre deux de ses bruits. */

function installPath(root) {
  "use strict";
  const { layers, weights } = root;

  const LATENT = 100;
  const networks = {};

  function load(name, file) {
    networks[name] = weights.unpack(file);
  }

  const layer = (name, prefix) => weights.parameters(networks[name], prefix);

  /* --- le générateur : z [100] -> image [784], dans [0, 1] -------------------------------------- */

  const DOUBLING = { stride: 2, padding: 1 };

  /* Ce que donne chaque étage, activation comprise. */
  function trace(z) {
    const g = (prefix) => layer("dcgan", prefix);
    const cut = (data) => ({ data, channels: data.length / 49, height: 7, width: 7 });
    const active = (maps, norm) => {
      layers.relu(layers.batchNorm(maps, g(norm)).data);
      return maps;
    };
    const h7 = active(cut(layers.linear(Float32Array.from(z), g("0"))), "2");
    const h14 = active(layers.convTransposed2d(h7, g("4"), DOUBLING), "5");
    const h28 = active(layers.convTransposed2d(h14, g("7"), DOUBLING), "8");
    const image = layers.sigmoid(layers.conv2d(h28, g("10"), { padding: 1 }).data);
    return [h7.data, h14.data, h28.data, image];
  }

  const generate = (z) => trace(z).pop();

  const classify = (image) => root.classifier.chances(networks.classifier, image);

  /* Une image et ce que le classifieur y lit. */
  function draw(z) {
    const image = generate(z);
    return { image, chances: classify(image) };
  }

  /* --- le chemin ---------------------------------------------------------------------------------- */

  /* Le point d'avancement `share`, en ligne droite, ou par l'arc, dont tout point suit N(0, I). */
  function between(from, to, share, isArc) {
    const turn = (share * Math.PI) / 2;
    const [a, b] = isArc ? [Math.cos(turn), Math.sin(turn)] : [1 - share, share];
    return from.map((value, k) => a * value + b * to[k]);
  }

  root.path = { LATENT, load, trace, generate, classify, draw, between };
}

installPath(globalThis);
