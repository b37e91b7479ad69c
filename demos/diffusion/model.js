/* Le U-Net conditionnel du lab 8 (`ddpm_class`) et un pas de tirage, comme labkit.models.unet et
   labkit.models.samplers, dont les noms sont repris. */

function installDiffusion(root) {
  "use strict";
  const { layers, weights } = root;

  const TIMESTEPS = 1000;
  const BETAS = [1e-4, 0.02];
  const SIDE = 28;
  const NO_CLASS = 10; // le rang de « sans classe » dans la table des classes

  /* ᾱ aux instants 0 à T - 1 ; l'indice T, ou -1 pour labkit, est l'image elle-même. */
  const alphaBars = new Float64Array(TIMESTEPS + 1).fill(1);
  for (let t = 0, product = 1; t < TIMESTEPS; t++) {
    product *= 1 - (BETAS[0] + ((BETAS[1] - BETAS[0]) * t) / (TIMESTEPS - 1));
    alphaBars[t] = product;
  }
  const level = (t) => alphaBars[t < 0 ? TIMESTEPS : t];

  /* Les instants que visite un tirage en `steps` pas, de T - 1 vers 0. */
  function times(steps) {
    return Array.from({ length: steps }, (_, k) => halfToEven(TIMESTEPS * (1 - k / steps)) - 1);
  }

  /* L'arrondi de Python : un demi va au nombre pair. */
  function halfToEven(value) {
    const low = Math.floor(value);
    if (value - low !== 0.5) return Math.round(value);
    return low % 2 ? low + 1 : low;
  }

  /* --- le réseau ------------------------------------------------------------------------------- */

  let network = null;

  function load(file) {
    const tensors = weights.unpack(file);
    network = {};
    for (const name of Object.keys(tensors)) {
      const prefix = name.slice(0, name.lastIndexOf("."));
      network[prefix] = weights.parameters(tensors, prefix);
    }
  }

  /* Des sinus, puis des cosinus, de fréquences 1 à 1/10 000. */
  function timeEmbedding(t, size) {
    const half = size / 2;
    const angle = (k) => t * Math.exp((-Math.log(10000) * k) / (half - 1));
    return Float32Array.from({ length: size }, (_, k) =>
      k < half ? Math.sin(angle(k)) : Math.cos(angle(k - half)));
  }

  function embed(t, label) {
    const hidden = layers.silu(layers.linear(timeEmbedding(t, 64), network["time_mlp.0"]));
    const named = layers.embedding(label, network.class_embedding);
    return layers.linear(hidden, network["time_mlp.2"]).map((value, k) => value + named[k]);
  }

  const PADDED = { padding: 1 };
  const DOUBLED = { stride: 2, padding: 1 };

  /* h = f(conv1(x)) + W e(t), puis h + f(conv2(h)). */
  function block(name, maps, embedding) {
    const h = layers.conv2d(maps, network[`${name}.conv1`], PADDED);
    layers.leakyRelu(h.data, 0.1);
    layers.addToChannels(h, layers.linear(embedding, network[`${name}.to_channels`]));
    const added = layers.conv2d(h, network[`${name}.conv2`], PADDED);
    layers.leakyRelu(added.data, 0.1);
    for (let k = 0; k < h.data.length; k++) h.data[k] += added.data[k];
    return h;
  }

  function climb(rank, maps, beside, embedding) {
    const size = [beside.height, beside.width];
    const doubled = layers.convTransposed2d(maps, network[`up${rank}`], { ...DOUBLED, size });
    return block(`merge${rank}`, layers.concatenate(doubled, beside), embedding);
  }

  /* Le bruit prédit [784] de x à l'instant t, pour une classe ; `trace` note ce que donne chaque bloc. */
  function unet(x, t, label, trace = {}) {
    const embedding = trace.embedding = embed(t, label);
    const image = { data: x, channels: 1, height: SIDE, width: SIDE };
    const h1 = trace.down1 = block("down1", image, embedding);
    const h2 = trace.down2 = block("down2", layers.maxPool(h1), embedding);
    const h3 = trace.down3 = block("down3", layers.maxPool(h2), embedding);
    let h = trace.bottleneck = block("bottleneck", layers.maxPool(h3), embedding);
    h = trace.merge3 = climb(3, h, h3, embedding);
    h = trace.merge2 = climb(2, h, h2, embedding);
    h = trace.merge1 = climb(1, h, h1, embedding);
    return layers.conv2d(h, network.to_noise, PADDED).data;
  }

  /* ε(x, t) + s (ε(x, t, c) - ε(x, t)) : s = 0 oublie la classe, 1 la suit, au-delà l'exagère. */
  function predict(x, t, label, guidance) {
    if (guidance === 0) return unet(x, t, NO_CLASS);
    const named = unet(x, t, label);
    if (guidance === 1) return named;
    return unet(x, t, NO_CLASS).map((value, k) => value + guidance * (named[k] - value));
  }

  /* --- un pas, de t à l'instant `after` (-1 : l'image) ------------------------------------------ */

  /* x' = √ᾱ' x̂0 + √(1 - ᾱ' - σ²) ε̂ + σ ε, avec x̂0 borné à [-1, 1] ; η = 0 ôte tout hasard, et η = 1,
     d'un instant au précédent, est le pas de DDPM. `fresh` est ε. */
  function step({ x, t, after, label, guidance, eta, fresh }) {
    const noise = predict(x, t, label, guidance);
    const [now, target] = [level(t), level(after)];
    const x0 = x.map((value, k) =>
      Math.min(1, Math.max(-1, (value - Math.sqrt(1 - now) * noise[k]) / Math.sqrt(now))));
    const sigma = eta * Math.sqrt(((1 - target) / (1 - now)) * (1 - now / target));
    const along = Math.sqrt(Math.max(0, 1 - target - sigma ** 2));
    const next = x.map((value, k) => {
      const leading = (value - Math.sqrt(now) * x0[k]) / Math.sqrt(1 - now); // mène de x̂0 borné à x
      return Math.sqrt(target) * x0[k] + along * leading + (sigma ? sigma * fresh[k] : 0);
    });
    return { noise, x0, next };
  }

  root.diffusion = { TIMESTEPS, SIDE, NO_CLASS, level, times, load, unet, predict, step };
}

installDiffusion(globalThis);
