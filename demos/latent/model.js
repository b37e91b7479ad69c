/* Les décodeurs des labs 2 et 3, à deux dimensions latentes, vus dans la loi où l'on tire leurs codes.

   Un point du plan est u, de loi N(0, I) ; le code est z = moyenne + facteur · u. */

function installLatent(root) {
  "use strict";
  const { layers, weights } = root;

  const LAYERS = {
    autoencoder: ["0", "2", "4"],
    vae_dense_2d: ["hidden.0", "hidden.2", "to_logits"],
  };
  const networks = {};

  function load(name, file) {
    const tensors = weights.unpack(file);
    networks[name] = LAYERS[name].map((prefix) => weights.parameters(tensors, prefix));
  }

  function toCode({ mean, factor }, [u1, u2]) {
    return mean.map((start, k) => start + factor[k][0] * u1 + factor[k][1] * u2);
  }

  /* Ce que donne chaque couche, son activation comprise ; la dernière donne l'image [784]. */
  function trace(name, z) {
    let x = Float32Array.from(z);
    return networks[name].map((layer, rank) => {
      const isLast = rank === networks[name].length - 1;
      x = (isLast ? layers.sigmoid : layers.relu)(layers.linear(x, layer));
      return x;
    });
  }

  const decode = (name, z) => trace(name, z).pop();

  root.latent = { toCode, trace, decode, load };
}

installLatent(globalThis);
