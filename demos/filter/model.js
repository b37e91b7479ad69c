/* Le générateur du lab 7 (`stylegan3` et son jumeau), de la graine à l'image déplacée, comme
   labkit.models.stylegan3, dont les noms sont repris. Les filtres s'y mettent autour de la ReLU, ou avant. */

function installFilter(root) {
  "use strict";
  const { layers, weights } = root;

  const SIDE = 32;
  const LATENT = 64;
  const CUTOFF = 2; // de l'entrée, en cycles par image
  const RATE = 16; // sa cadence, en pixels par image
  const FIRST_SIDE = 32; // sa carte, marges comprises
  const TAPS = 6; // coefficients d'un filtre, par échantillon de la cadence la plus basse
  const SLOPE = 0.2;
  const EPSILON = 1e-8;
  const LAYERS = ["L0_32_64", "L1_32_64", "L2_48_64", "L3_48_64", "L4_48_64", "L5_32_64"]; // rang, côté, canaux

  const networks = {};

  function load(name, file) {
    const tensors = weights.unpack(file);
    const layer = (prefix) => weights.parameters(tensors, prefix);
    const synthesis = (name) => ({ ...layer(`synthesis.${name}`), affine: layer(`synthesis.${name}.affine`) });
    const sideOf = (name) => Number(name.split("_")[1]);
    networks[name] = {
      mapping: { fc0: layer("mapping.fc0"), fc1: layer("mapping.fc1"), mean: tensors["mapping.w_avg"].data },
      input: synthesis("input"),
      layers: LAYERS.map((name, k) =>
        prepared(synthesis(name), k ? sideOf(LAYERS[k - 1]) : FIRST_SIDE, sideOf(name))),
      toImage: synthesis("L6_32_1"),
    };
  }

  /* --- z, comme numpy.random.RandomState(graine).randn ------------------------------------------- */

  /* Le Mersenne Twister, en réels de 53 bits dans [0, 1[. */
  function twister(seed) {
    const [length, middle] = [624, 397];
    const state = new Uint32Array(length);
    state[0] = seed;
    for (let k = 1; k < length; k++) {
      state[k] = Math.imul(1812433253, state[k - 1] ^ (state[k - 1] >>> 30)) + k;
    }
    let at = length;
    const renew = () => {
      for (let k = 0; k < length; k++) {
        const bits = (state[k] & 0x80000000) | (state[(k + 1) % length] & 0x7fffffff);
        state[k] = state[(k + middle) % length] ^ (bits >>> 1) ^ (bits & 1 ? 0x9908b0df : 0);
      }
      at = 0;
    };
    const draw = () => {
      if (at === length) renew();
      let bits = state[at++];
      bits ^= bits >>> 11;
      bits ^= (bits << 7) & 0x9d2c5680;
      bits ^= (bits << 15) & 0xefc60000;
      return (bits ^ (bits >>> 18)) >>> 0;
    };
    return () => ((draw() >>> 5) * 67108864 + (draw() >>> 6)) / 9007199254740992;
  }

  /* Les valeurs gaussiennes d'une graine, deux par deux, par la méthode polaire. */
  function noise(seed) {
    const uniform = twister(seed);
    const z = new Float32Array(LATENT);
    for (let k = 0; k < LATENT; k += 2) {
      let x, y, square;
      do {
        [x, y] = [2 * uniform() - 1, 2 * uniform() - 1];
        square = x * x + y * y;
      } while (square >= 1 || square === 0);
      const factor = Math.sqrt((-2 * Math.log(square)) / square);
      z[k] = factor * y;
      z[k + 1] = factor * x;
    }
    return z;
  }

  /* --- z -> w -------------------------------------------------------------------------------------- */

  /* y = λ (W x / √n + b), à taux d'apprentissage égalisé. */
  function dense(x, { weight, bias }, multiplier = 1) {
    const scale = multiplier / Math.sqrt(weight.shape[1]);
    return layers.linear(x, { weight }).map((value, k) => scale * value + multiplier * bias.data[k]);
  }

  /* w = w̄ + ψ (f(z) - w̄). */
  function style(network, z, psi) {
    const { fc0, fc1, mean } = networks[network].mapping;
    const power = z.reduce((sum, value) => sum + value * value, 0) / z.length;
    let x = z.map((value) => value / Math.sqrt(power + EPSILON));
    for (const layer of [fc0, fc1]) {
      x = layers.leakyRelu(dense(x, layer, 0.01), SLOPE).map((value) => value * Math.SQRT2);
    }
    return x.map((value, k) => mean[k] + psi * (value - mean[k]));
  }

  /* --- l'entrée de Fourier -------------------------------------------------------------------------- */

  /* Le déplacement du plan que lit l'entrée, sur p = (x, y) : [[a, b, tx], [c, d, ty]]. L'image tournée de
     `turn` radians puis déplacée de (dx, dy) vaut en p ce que l'image valait en R⁻¹ (p - d). */
  function planeOf(w, { affine }, { turn, dx, dy }) {
    let t = dense(w, affine);
    const norm = Math.hypot(t[0], t[1]);
    const [cos, sin, x, y] = t.map((value) => value / norm);
    const [c, s] = [Math.cos(turn), Math.sin(turn)];
    const back = [[c, s, -c * dx - s * dy], [-s, c, s * dx - c * dy]];
    return [[cos, -sin], [sin, cos]].map(([a, b]) => [
      a * back[0][0] + b * back[1][0],
      a * back[0][1] + b * back[1][1],
      a * (back[0][2] - x) + b * (back[1][2] - y),
    ]);
  }

  /* x_k(p) = a_k sin(2π (f_k · T p + φ_k)), mêlées par une matrice apprise. */
  function fourier(w, input, motion) {
    const plane = planeOf(w, input, motion);
    const channels = input.phases.data.length;
    const points = FIRST_SIDE * FIRST_SIDE;
    const waves = new Float32Array(points * channels);
    for (let k = 0; k < channels; k++) {
      const [fx, fy] = [input.freqs.data[2 * k], input.freqs.data[2 * k + 1]];
      const [gx, gy, phase] = [0, 1, 2].map((j) => fx * plane[0][j] + fy * plane[1][j]);
      const share = 1 - (Math.hypot(gx, gy) - CUTOFF) / (RATE / 2 - CUTOFF);
      const amplitude = Math.min(1, Math.max(0, share));
      for (let p = 0; p < points; p++) {
        const x = ((p % FIRST_SIDE) - (FIRST_SIDE - 1) / 2) / RATE;
        const y = (Math.floor(p / FIRST_SIDE) - (FIRST_SIDE - 1) / 2) / RATE;
        const turns = gx * x + gy * y + phase + input.phases.data[k];
        waves[p * channels + k] = amplitude * Math.sin(2 * Math.PI * turns);
      }
    }
    const data = layers.multiply(input.weight.data, waves, channels, points, channels);
    const scale = 1 / Math.sqrt(channels);
    return { data: data.map((value) => value * scale), channels, height: FIRST_SIDE, width: FIRST_SIDE };
  }

  /* --- une couche ----------------------------------------------------------------------------------- */

  /* Ce qu'une couche calcule une fois pour toutes : Σ w² par paire de canaux, et ses deux bandes. */
  function prepared(layer, sideIn, sideOut) {
    const { data, shape: [outputs, inputs, rows, columns] } = layer.weight;
    const squares = new Float32Array(outputs * inputs);
    data.forEach((value, k) => { squares[Math.floor(k / (rows * columns))] += value * value; });
    return { ...layer, squares: { shape: [outputs, inputs], data: squares }, ...bands(layer, sideIn, sideOut) };
  }

  /* Les deux matrices, sur un axe : U[i, j] = m h[j m + avant - i], D[i, j] = h[j - i m]. Les bords que U ne
     lit pas, la convolution s'en dispense : son contour en est réduit d'autant. */
  function bands({ up_filter: { data: rise }, down_filter: { data: fall } }, sideIn, sideOut) {
    const [m, n] = [rise.length / TAPS, fall.length / TAPS];
    const middle = (sideOut - 1) * n + fall.length;
    const before = Math.floor((middle + rise.length - 1 - (sideIn + 2) * m + m) / 2);
    const unread = Math.max(0, Math.ceil(-before / m));
    const gain = m * 2 ** 0.25; // √2 en tout, sur deux axes
    return {
      padding: 2 - unread,
      up: layers.band(middle, sideIn + 2 - 2 * unread, TAPS, (i, j) =>
        gain * (rise[(j + unread) * m + before - i] || 0)),
      down: layers.band(sideOut, middle, fall.length, (i, j) => fall[j - i * n] || 0),
    };
  }

  /* x, chaque canal multiplié par son amplitude ; `magnitude_ema` ramène la puissance de x à 1. */
  function modulated(maps, styles, { magnitude_ema: power }) {
    const scale = 1 / Math.sqrt(power.data[0]);
    return { ...maps, data: scaled(maps, (c) => styles[c] * scale, () => 0) };
  }

  /* a_c x + b_c, canal par canal. */
  function scaled({ data, channels, height, width }, slope, start) {
    const out = new Float32Array(data.length);
    const points = height * width;
    for (let c = 0; c < channels; c++) {
      const [a, b] = [slope(c), start(c)];
      for (let k = c * points; k < (c + 1) * points; k++) out[k] = a * data[k] + b;
    }
    return out;
  }

  /* b_o + d_o Σ_i (s_i w_oi) ∗ x_i, d_o = 1 / √Σ (s_i w_oi)². */
  function modulatedConvolution(maps, w, { affine, weight, bias, squares, padding, ...layer }) {
    const styles = dense(w, affine);
    const y = layers.conv2d(modulated(maps, styles, layer), { weight }, { padding });
    const power = layers.linear(styles.map((value) => value * value), { weight: squares });
    return { ...y, data: scaled(y, (c) => 1 / Math.sqrt(power[c] + EPSILON), (c) => bias.data[c]) };
  }

  /* √2 LeakyReLU : `filtersAround`, entre monter et redescendre ; sinon après, où plus rien ne filtre. */
  function filteredRelu(maps, { up, down }, filtersAround) {
    const relu = (data) => layers.leakyRelu(data, SLOPE);
    const found = layers.resample(maps, up, down, filtersAround ? relu : () => {});
    if (!filtersAround) relu(found.data);
    return found;
  }

  /* --- l'image --------------------------------------------------------------------------------------- */

  /* Ce que donne chaque couche, de l'entrée à l'image [1024], de -1 à 1 à peu près. */
  function trace(network, w, motion, filtersAround) {
    const { input, layers: middle, toImage } = networks[network];
    const found = [fourier(w, input, motion)];
    for (const layer of middle) {
      const maps = found[found.length - 1];
      found.push(filteredRelu(modulatedConvolution(maps, w, layer), layer, filtersAround));
    }
    const maps = modulated(found[found.length - 1], dense(w, toImage.affine), toImage);
    const scale = 0.25 / Math.sqrt(maps.channels); // la moitié de l'étendue, et le taux égalisé
    const { data } = layers.conv2d(maps, { weight: toImage.weight });
    return [...found.map((step) => step.data), data.map((value) => scale * value + 0.25 * toImage.bias.data[0])];
  }

  /* L'image, dans [0, 1] à peu près, d'une graine ; `shift` en pixels vers le bas, `turn` en degrés. */
  function draw({ network, filtersAround, seed, psi, turn, shift }) {
    const w = style(network, noise(seed), psi);
    const motion = { turn: (turn * Math.PI) / 180, dx: 0, dy: shift / SIDE };
    return trace(network, w, motion, filtersAround).pop().map((value) => (value + 1) / 2);
  }

  root.filter = { SIDE, load, noise, style, trace, draw };
}

installFilter(globalThis);
