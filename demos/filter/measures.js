/* Ce que le lab 7 mesure d'une image [32 × 32] : son déplacement parfait, l'écart à lui, sa netteté. */

(() => {
  "use strict";
  const SIDE = 32;
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
    const values = Array.from({ length: side * side }, (_, k) => {
      const value = image[(Math.floor(k / side) + FRAME) * SIDE + (k % side) + FRAME];
      return Math.min(1, Math.max(0, value));
    });
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const rows = spectra(values.map((value) => [value - mean, 0]), side);
    const found = spectra(rows, side);
    const frequency = (k) => Math.min(k, side - k) / side;
    let [high, all] = [0, 0];
    found.forEach(([re, im], k) => {
      const energy = re * re + im * im;
      all += energy;
      if (Math.hypot(frequency(k % side), frequency(Math.floor(k / side))) > SHARP) high += energy;
    });
    return (100 * high) / all;
  }

  /* La transformée de Fourier de chaque ligne, rangée en colonne : deux fois de suite, celle du plan. */
  function spectra(values, side) {
    const out = new Array(side * side);
    for (let row = 0; row < side; row++) {
      for (let f = 0; f < side; f++) {
        let [re, im] = [0, 0];
        for (let x = 0; x < side; x++) {
          const [a, b] = values[row * side + x];
          const turn = (-2 * Math.PI * f * x) / side;
          const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
          re += a * cos - b * sin;
          im += a * sin + b * cos;
        }
        out[f * side + row] = [re, im];
      }
    }
    return out;
  }

  globalThis.filterMeasures = { EDGE, moved, decibels, sharpness };
})();
