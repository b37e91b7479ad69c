/* Le classifieur du cours (labkit.models.Classifier) : ce qu'il lit dans une image de 28 × 28. */

function installClassifier(root) {
  "use strict";
  const { layers, weights } = root;

  /* Les dix probabilités, d'après ses poids et une image [784] dans [0, 1]. */
  function chances(tensors, image) {
    const layer = (prefix) => weights.parameters(tensors, prefix);
    let maps = { data: image, channels: 1, height: 28, width: 28 };
    for (const rank of [0, 4, 8]) {
      maps = layers.conv2d(maps, layer(`body.${rank}`), { padding: 1 });
      layers.relu(layers.batchNorm(maps, layer(`body.${rank + 1}`)).data);
      maps = layers.maxPool(maps);
    }
    const features = layers.relu(layers.linear(maps.data, layer("body.13")));
    return layers.softmax(layers.linear(features, layer("head.1")));
  }

  /* La classe la plus probable. */
  function read(tensors, image) {
    const found = chances(tensors, image);
    return found.indexOf(Math.max(...found));
  }

  root.classifier = { chances, read };
}

installClassifier(globalThis);
