/* Le décodeur du petit CVAE du lab 4 (`cvae_small`) : un code z et une classe, à côté l'un de l'autre. */

function installClasses(root) {
  "use strict";
  const { classifier, layers, weights } = root;

  const LATENT = 10;
  const CLASSES = 10;
  const networks = {};

  function load(name, file) {
    networks[name] = weights.unpack(file);
  }

  const layer = (prefix) => weights.parameters(networks.cvae_small, prefix);

  function normalised(maps, prefix) {
    layers.relu(layers.batchNorm(maps, layer(prefix)).data);
    return maps;
  }

  /* Ce que donne chaque étage, activation comprise ; le dernier donne l'image [784], dans [0, 1]. */
  function trace(z, label) {
    const x = new Float32Array(LATENT + CLASSES);
    x.set(z);
    x[LATENT + label] = 1;
    const data = layers.relu(layers.linear(x, layer("0")));
    const h5 = { data, channels: data.length / 25, height: 5, width: 5 };
    const h7 = normalised(layers.convTransposed2d(h5, layer("3")), "4");
    const doubled = { stride: 2, padding: 1 };
    const h14 = normalised(layers.convTransposed2d(h7, layer("6"), doubled), "7");
    const image = layers.sigmoid(layers.convTransposed2d(h14, layer("9"), doubled).data);
    return [h5.data, h7.data, h14.data, image];
  }

  /* L'image d'un code et d'une classe, et la classe que le classifieur y lit. */
  function decode(z, label) {
    const image = trace(z, label).pop();
    return { image, read: classifier.read(networks.classifier, image) };
  }

  /* Plusieurs à la suite : [[z, classe]…]. */
  const decodeAll = (pairs) => pairs.map(([z, label]) => decode(z, label));

  root.classes = { LATENT, CLASSES, load, trace, decode, decodeAll };
}

installClasses(globalThis);
