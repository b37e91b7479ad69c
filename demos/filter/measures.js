/* Ce que le lab 7 mesure d'une image [32 × 32] : son déplacement parfait, l'écart à lui, sa netteté. */

(() => {
  "use strict";
  const { SIDE } = globalThis.filter;
  const FRAME = 2; // pixels de noir autour d'un chiffre de MNIST, que la netteté laisse
  const EDGE = 4; // lignes du haut et du bas, que l'écart laisse : elles viennent d'hors du cadre
  const SHARP = 0.25; // en cycles par pixel

  /* L'image déplacée de `shift` pixels vers le bas, fonction périodique qu'elle échantillonne : chaque pixel
     y est la somme des autres, pesés par sin(πu) / (n tan(πu / n)), u leur distance. */
  function moved(image, shift) {
    const kernel = Array.from({ length: SIDE }, (_, rows) => {
      const u = rows - shift;
      const tangent = SIDE * Math.tan((Math.PI * u) / SIDE);
      return Math.abs(tangent) < 1e-9 ? 1 : Math.sin(Math.PI * u) / tangent;
    });
    return image.map((_, k) => {
      const [row, column] = [Math.floor(k / SIDE), k % SIDE];
      let sum = 0;
      for (let y = 0; y < SIDE; y++) sum += kernel[(row - y + SIDE) % SIDE] * image[y * SIDE + column];
      return sum;
    });
  }

  /* Ce qui suit le mouvement, en dB : 10 log₁₀ de 1, l'étendue, sur l'écart quadratique moyen. */
  function decibels(image, perfect) {
    const [from, to] = [EDGE * SIDE, (SIDE - EDGE) * SIDE];
    let sum = 0;
    for (let k = from; k < to; k++) sum += (image[k] - perfect[k]) ** 2;
    return -10 * Math.log10(sum / (to - from));
  }

  /* La part de l'énergie au-delà d'un quart de cycle par pixel, en %, sans le cadre ni la moyenne. */
  function sharpness(image) {
    const side = SIDE - 2 * FRAME;
    const values = Array.from({ length: side ** 2 }, (_, k) => {
      const value = image[(Math.floor(k / side) + FRAME) * SIDE + (k % side) + FRAME];
      return Math.min(1, Math.max(0, value));
    });
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const centred = Float64Array.from(values, (value) => value - mean);
    const [re, im] = spectra(...spectra(centred, new Float64Array(values.length), side), side);
    const frequency = (k) => Math.min(k, side - k) / side;
    let [high, all] = [0, 0];
    for (let k = 0; k < re.length; k++) {
      const energy = re[k] ** 2 + im[k] ** 2;
      all += energy;
      if (Math.hypot(frequency(k % side), frequency(Math.floor(k / side))) > SHARP) high += energy;
    }
    return (100 * high) / all;
  }

  /* La transformée de Fourier de chaque ligne, rangée en colonne : deux fois de suite, celle du plan. */
  function spectra(re, im, side) {
    const waves = Array.from({ length: side }, (_, k) => (-2 * Math.PI * k) / side);
    const [cos, sin] = [waves.map(Math.cos), waves.map(Math.sin)];
    const out = [new Float64Array(side * side), new Float64Array(side * side)];
    for (let row = 0; row < side; row++) {
      for (let f = 0; f < side; f++) {
        let [a, b] = [0, 0];
        for (let x = 0; x < side; x++) {
          const [at, turn] = [row * side + x, (f * x) % side];
          a += re[at] * cos[turn] - im[at] * sin[turn];
          b += re[at] * sin[turn] + im[at] * cos[turn];
        }
        out[0][f * side + row] = a;
        out[1][f * side + row] = b;
      }
    }
    return out;
  }

  globalThis.filterMeasures = { EDGE, moved, decibels, sharpness };
})();
