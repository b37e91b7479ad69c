/* Les couches des réseaux du cours, en évaluation, égales à celles de PyTorch.

   Un script classique dont tout tient dans une fonction : un worker en reçoit le texte. Une image ou
   des cartes de caractéristiques sont un objet { data, channels, height, width }, où `data` est un
   Float32Array rangé [canaux, hauteur, largeur]. Les paramètres d'une couche sont ceux que donne
   weights.js, { weight: { shape, data }, bias… }, rangés comme dans PyTorch.

   Les sommes se font en double précision : un nombre lu en float32 n'y coûte rien de plus. */

function installLayers(root) {
  "use strict";

  /* --- le produit de matrices, où passe tout le temps ------------------------------------------ */

  /* A Bᵀ [rows, columns], de A [rows, depth] et B [columns, depth]. */
  function multiply(a, b, rows, columns, depth) {
    const out = new Float32Array(rows * columns);
    const tiledRows = rows - (rows % 4);
    const tiledColumns = columns - (columns % 4);
    for (let n = 0; n < tiledColumns; n += 4) {
      for (let m = 0; m < tiledRows; m += 4) tile(a, b, m, n, columns, depth, out);
    }
    for (let m = 0; m < rows; m++) {
      for (let n = m < tiledRows ? tiledColumns : 0; n < columns; n++) {
        out[m * columns + n] = dot(a, m * depth, b, n * depth, depth);
      }
    }
    return out;
  }

  /* Seize produits scalaires à la fois : chaque nombre lu sert quatre fois. */
  function tile(a, b, m, n, columns, depth, out) {
    const a0 = m * depth, a1 = a0 + depth, a2 = a1 + depth, a3 = a2 + depth;
    const b0 = n * depth, b1 = b0 + depth, b2 = b1 + depth, b3 = b2 + depth;
    let s00 = 0, s01 = 0, s02 = 0, s03 = 0;
    let s10 = 0, s11 = 0, s12 = 0, s13 = 0;
    let s20 = 0, s21 = 0, s22 = 0, s23 = 0;
    let s30 = 0, s31 = 0, s32 = 0, s33 = 0;
    for (let k = 0; k < depth; k++) {
      const x0 = b[b0 + k], x1 = b[b1 + k], x2 = b[b2 + k], x3 = b[b3 + k];
      let w = a[a0 + k];
      s00 += w * x0; s01 += w * x1; s02 += w * x2; s03 += w * x3;
      w = a[a1 + k];
      s10 += w * x0; s11 += w * x1; s12 += w * x2; s13 += w * x3;
      w = a[a2 + k];
      s20 += w * x0; s21 += w * x1; s22 += w * x2; s23 += w * x3;
      w = a[a3 + k];
      s30 += w * x0; s31 += w * x1; s32 += w * x2; s33 += w * x3;
    }
    let at = m * columns + n;
    out[at] = s00; out[at + 1] = s01; out[at + 2] = s02; out[at + 3] = s03;
    at += columns;
    out[at] = s10; out[at + 1] = s11; out[at + 2] = s12; out[at + 3] = s13;
    at += columns;
    out[at] = s20; out[at + 1] = s21; out[at + 2] = s22; out[at + 3] = s23;
    at += columns;
    out[at] = s30; out[at + 1] = s31; out[at + 2] = s32; out[at + 3] = s33;
  }

  /* Quatre sommes partielles : chaque addition n'attend pas la précédente. */
  function dot(a, from, b, start, depth) {
    let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    let k = 0;
    for (; k + 4 <= depth; k += 4) {
      s0 += a[from + k] * b[start + k];
      s1 += a[from + k + 1] * b[start + k + 1];
      s2 += a[from + k + 2] * b[start + k + 2];
      s3 += a[from + k + 3] * b[start + k + 3];
    }
    for (; k < depth; k++) s0 += a[from + k] * b[start + k];
    return s0 + s1 + (s2 + s3);
  }

  /* [rows, columns] en [columns, rows]. */
  function transpose(data, rows, columns) {
    const out = new Float32Array(data.length);
    for (let m = 0; m < rows; m++) {
      for (let n = 0; n < columns; n++) out[n * rows + m] = data[m * columns + n];
    }
    return out;
  }

  /* --- les couches ----------------------------------------------------------------------------- */

  /* x Wᵀ + b, de x [count, entrées] en [count, sorties]. */
  function linear(x, { weight, bias }, count = 1) {
    const [outputs, inputs] = weight.shape;
    const out = multiply(x, weight.data, count, outputs, inputs);
    if (bias) {
      for (let k = 0; k < out.length; k++) out[k] += bias.data[k % outputs];
    }
    return out;
  }

  /* La ligne `rank` d'une table de plongements. */
  function embedding(rank, { weight }) {
    const size = weight.shape[1];
    return weight.data.slice(rank * size, (rank + 1) * size);
  }

  function conv2d(maps, { weight, bias }, { stride = 1, padding = 0 } = {}) {
    const [channels, inputs, side] = weight.shape;
    if (side === 3 && stride === 1 && inputs >= SPARING) return addBias(winograd(maps, weight, padding), bias);
    const height = Math.floor((maps.height + 2 * padding - side) / stride) + 1;
    const width = Math.floor((maps.width + 2 * padding - side) / stride) + 1;
    const depth = inputs * side * side;
    const patches = gather(maps, { side, stride, padding, height, width });
    const data = multiply(weight.data, patches, channels, height * width, depth);
    return addBias({ data, channels, height, width }, bias);
  }

  let scratch = new Float32Array(0); // réemployé d'une convolution à l'autre

  /* Les pixels que lit chaque point de sortie, une ligne par point : [points, entrées · side²]. */
  function gather(maps, { side, stride, padding, height, width }) {
    const { data, channels } = maps;
    const size = height * width * channels * side * side;
    if (scratch.length < size) scratch = new Float32Array(size);
    let at = 0;
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        const top = row * stride - padding;
        const left = column * stride - padding;
        for (let c = 0; c < channels; c++) {
          const map = c * maps.height * maps.width;
          for (let y = top; y < top + side; y++) {
            const isRow = y >= 0 && y < maps.height;
            const line = map + y * maps.width;
            for (let x = left; x < left + side; x++) {
              scratch[at++] = isRow && x >= 0 && x < maps.width ? data[line + x] : 0;
            }
          }
        }
      }
    }
    return scratch;
  }

  /* --- convolution 3 × 3 par tuiles -------------------------------------------------------------- */

  const SPARING = 32; // canaux lus à partir desquels les tuiles font gagner du temps

  /* A. Lavin et S. Gray, « Fast algorithms for convolutional neural networks », 2016, § 4 : d'une tuile
     d'entrée de 6 × 6, une de sortie de 4 × 4 coûte 36 produits par paire de canaux, au lieu de 144. */
  function winograd(maps, weight, padding) {
    const [channels, inputs] = weight.shape;
    const [height, width] = [maps.height, maps.width].map((length) => length + 2 * padding - 2);
    const grid = { down: Math.ceil(height / 4), across: Math.ceil(width / 4) };
    const tiles = grid.down * grid.across;
    weight.tiled = weight.tiled || tileKernels(weight);
    const read = readTiles(maps, grid, padding);
    const out = { data: new Float32Array(channels * height * width), channels, height, width };
    const products = Array.from({ length: 36 }, (_, f) => multiply(
      weight.tiled.subarray(f * channels * inputs, (f + 1) * channels * inputs),
      read.subarray(f * tiles * inputs, (f + 1) * tiles * inputs), channels, tiles, inputs));
    writeTiles(products, grid, out);
    return out;
  }

  /* G g Gᵀ de chaque noyau, rangés [36, sorties, entrées]. */
  function tileKernels({ data, shape: [channels, inputs] }) {
    const count = channels * inputs;
    const out = new Float32Array(36 * count);
    const turn = (a, b, c) => [a / 4, -(a + b + c) / 6, (b - a - c) / 6, a / 24 + b / 12 + c / 6,
      a / 24 - b / 12 + c / 6, c];
    for (let pair = 0; pair < count; pair++) {
      const columns = [0, 1, 2].map((x) => turn(...[0, 3, 6].map((y) => data[9 * pair + y + x])));
      for (let i = 0; i < 6; i++) {
        turn(...columns.map((column) => column[i])).forEach((value, j) => { out[(6 * i + j) * count + pair] = value; });
      }
    }
    return out;
  }

  const patch = new Float64Array(36); // une tuile, avant et après

  /* Bᵀ d B de chaque tuile d'entrée, rangés [36, tuiles, entrées]. */
  function readTiles({ data, channels, height, width }, { down, across }, padding) {
    const count = down * across * channels;
    const out = new Float32Array(36 * count);
    for (let c = 0; c < channels; c++) {
      for (let rank = 0; rank < down * across; rank++) {
        const top = 4 * Math.floor(rank / across) - padding;
        const left = 4 * (rank % across) - padding;
        for (let y = 0, k = 0; y < 6; y++) {
          const isRow = top + y >= 0 && top + y < height;
          const line = (c * height + top + y) * width + left;
          for (let x = 0; x < 6; x++, k++) {
            patch[k] = isRow && left + x >= 0 && left + x < width ? data[line + x] : 0;
          }
        }
        for (let k = 0; k < 6; k++) turnInput(k, 6);
        for (let k = 0; k < 36; k += 6) turnInput(k, 1);
        for (let f = 0, at = rank * channels + c; f < 36; f++, at += count) out[at] = patch[f];
      }
    }
    return out;
  }

  function turnInput(k, step) {
    const a = patch[k], b = patch[k + step], c = patch[k + 2 * step];
    const d = patch[k + 3 * step], e = patch[k + 4 * step], f = patch[k + 5 * step];
    patch[k] = 4 * a - 5 * c + e;
    patch[k + step] = d + e - 4 * (b + c);
    patch[k + 2 * step] = e - d + 4 * (b - c);
    patch[k + 3 * step] = e - c + 2 * (d - b);
    patch[k + 4 * step] = e - c + 2 * (b - d);
    patch[k + 5 * step] = 4 * b - 5 * d + f;
  }

  /* Aᵀ m A de chaque tuile de sortie ; ce qui dépasse de la carte est laissé. */
  function writeTiles(products, { down, across }, { data, channels, height, width }) {
    const tiles = down * across;
    for (let c = 0; c < channels; c++) {
      for (let rank = 0; rank < tiles; rank++) {
        for (let f = 0; f < 36; f++) patch[f] = products[f][c * tiles + rank];
        for (let k = 0; k < 6; k++) turnOutput(k, 6);
        for (let k = 0; k < 24; k += 6) turnOutput(k, 1);
        const [top, left] = [4 * Math.floor(rank / across), 4 * (rank % across)];
        const [rows, columns] = [Math.min(4, height - top), Math.min(4, width - left)];
        for (let y = 0; y < rows; y++) {
          const line = (c * height + top + y) * width + left;
          for (let x = 0; x < columns; x++) data[line + x] = patch[6 * y + x];
        }
      }
    }
  }

  function turnOutput(k, step) {
    const b = patch[k + step], c = patch[k + 2 * step], d = patch[k + 3 * step], e = patch[k + 4 * step];
    patch[k] += b + c + d + e;
    patch[k + step] = b - c + 2 * (d - e);
    patch[k + 2 * step] = b + c + 4 * (d + e);
    patch[k + 3 * step] = b - c + 8 * (d - e) + patch[k + 5 * step];
  }

  /* `size` : [hauteur, largeur] de la sortie, où deux tailles seraient possibles. */
  function convTransposed2d(maps, { weight, bias }, { stride = 1, padding = 0, size } = {}) {
    const [inputs, channels, side] = weight.shape;
    const natural = (length) => (length - 1) * stride - 2 * padding + side;
    const [height, width] = size || [natural(maps.height), natural(maps.width)];
    const spread = channels * side * side;
    const points = maps.height * maps.width;
    weight.turned = weight.turned || transpose(weight.data, inputs, spread);
    const patches = multiply(weight.turned, transpose(maps.data, inputs, points), spread, points, inputs);
    const out = { data: new Float32Array(channels * height * width), channels, height, width };
    scatter(patches, maps, out, { side, stride, padding });
    return addBias(out, bias);
  }

  /* Ajoute chaque point d'entrée, multiplié par le noyau, là où il tombe dans la sortie. */
  function scatter(patches, { height, width }, out, { side, stride, padding }) {
    let at = 0;
    for (let c = 0; c < out.channels; c++) {
      for (let i = 0; i < side; i++) {
        for (let j = 0; j < side; j++) {
          for (let row = 0; row < height; row++) {
            const y = row * stride - padding + i;
            const line = (c * out.height + y) * out.width;
            for (let column = 0; column < width; column++, at++) {
              const x = column * stride - padding + j;
              if (y >= 0 && y < out.height && x >= 0 && x < out.width) out.data[line + x] += patches[at];
            }
          }
        }
      }
    }
  }

  function addBias(maps, bias) {
    if (bias) addToChannels(maps, bias.data);
    return maps;
  }

  /* Le même nombre en tout point d'une carte, sur place. */
  function addToChannels(maps, values) {
    const points = maps.height * maps.width;
    for (let c = 0; c < maps.channels; c++) {
      for (let k = c * points; k < (c + 1) * points; k++) maps.data[k] += values[c];
    }
  }

  /* (x - moyenne) / √(variance + ε) · γ + β, par canal et sur place, comme en évaluation. */
  function batchNorm(maps, { weight, bias, running_mean: mean, running_var: variance }) {
    const points = maps.height * maps.width;
    for (let c = 0; c < maps.channels; c++) {
      const scale = weight.data[c] / Math.sqrt(variance.data[c] + 1e-5);
      const shift = bias.data[c] - mean.data[c] * scale;
      for (let k = c * points; k < (c + 1) * points; k++) maps.data[k] = maps.data[k] * scale + shift;
    }
    return maps;
  }

  /* (x - moyenne) / √(variance + ε) · γ + β, vecteur par vecteur de x [count, taille] ; x reste tel quel. */
  function layerNorm(x, { weight, bias }) {
    const size = weight.data.length;
    const out = new Float32Array(x.length);
    for (let start = 0; start < x.length; start += size) {
      let mean = 0;
      for (let k = 0; k < size; k++) mean += x[start + k] / size;
      let variance = 0;
      for (let k = 0; k < size; k++) variance += (x[start + k] - mean) ** 2 / size;
      const scale = 1 / Math.sqrt(variance + 1e-5);
      for (let k = 0; k < size; k++) {
        out[start + k] = (x[start + k] - mean) * scale * weight.data[k] + bias.data[k];
      }
    }
    return out;
  }

  /* --- changer de cadence ---------------------------------------------------------------------- */

  const LOOP = 6; // nombres d'une bande lus d'un coup

  /* Une matrice [rows, columns] dont chaque ligne n'a que `width` nombres de suite, un multiple de 6 :
     `entry(i, j)`. */
  function band(rows, columns, width, entry) {
    const starts = new Int32Array(rows);
    const values = new Float64Array(rows * width);
    for (let i = 0; i < rows; i++) {
      let first = 0;
      while (first < columns - width && !entry(i, first)) first++;
      starts[i] = first;
      for (let k = 0; k < width; k++) values[i * width + k] = entry(i, first + k);
    }
    return { rows, columns, width, starts, values };
  }

  /* D f(U x Uᵀ) Dᵀ, carte par carte : x portée à une cadence plus haute par la bande U, une fonction
     qui agit sur place, et le retour par la bande D. */
  function resample(maps, up, down, apply) {
    const { channels } = maps;
    const [half, finer] = [new Float32Array(up.columns * up.rows), new Float32Array(up.rows ** 2)];
    const back = new Float32Array(up.rows * down.rows);
    const points = down.rows ** 2;
    const out = new Float32Array(channels * points);
    for (let c = 0; c < channels; c++) {
      through(up, maps.data.subarray(c * up.columns ** 2, (c + 1) * up.columns ** 2), half);
      through(up, half, finer);
      apply(finer);
      through(down, finer, back);
      through(down, back, out.subarray(c * points, (c + 1) * points));
    }
    return { data: out, channels, height: down.rows, width: down.rows };
  }

  /* (M x)ᵀ [n, rows] d'une bande M et de x [columns, n] ; deux fois de suite, M x Mᵀ. */
  function through({ rows, columns, width, starts, values }, x, out) {
    const n = x.length / columns;
    for (let i = 0; i < rows; i++) {
      for (let k = 0; k < width; k += LOOP) {
        const v = i * width + k;
        const v0 = values[v], v1 = values[v + 1], v2 = values[v + 2];
        const v3 = values[v + 3], v4 = values[v + 4], v5 = values[v + 5];
        const a = (starts[i] + k) * n, b = a + n, c = b + n, d = c + n, e = d + n, f = e + n;
        for (let j = 0, at = i; j < n; j++, at += rows) {
          const sum = v0 * x[a + j] + v1 * x[b + j] + v2 * x[c + j] + v3 * x[d + j] + v4 * x[e + j] + v5 * x[f + j];
          out[at] = k ? out[at] + sum : sum;
        }
      }
    }
  }

  /* Le plus grand de chaque carré de deux pixels de côté ; une dernière ligne impaire est laissée. */
  function maxPool(maps) {
    const { data, channels } = maps;
    const height = maps.height >> 1;
    const width = maps.width >> 1;
    const out = new Float32Array(channels * height * width);
    let at = 0;
    for (let c = 0; c < channels; c++) {
      for (let row = 0; row < height; row++) {
        for (let column = 0; column < width; column++) {
          const corner = (c * maps.height + 2 * row) * maps.width + 2 * column;
          const below = corner + maps.width;
          out[at++] = Math.max(data[corner], data[corner + 1], data[below], data[below + 1]);
        }
      }
    }
    return { data: out, channels, height, width };
  }

  /* Les cartes de `a`, puis celles de `b`. */
  function concatenate(a, b) {
    const data = new Float32Array(a.data.length + b.data.length);
    data.set(a.data);
    data.set(b.data, a.data.length);
    return { ...a, data, channels: a.channels + b.channels };
  }

  /* --- les activations, sur place -------------------------------------------------------------- */

  function relu(data) {
    for (let k = 0; k < data.length; k++) if (data[k] < 0) data[k] = 0;
    return data;
  }

  function leakyRelu(data, slope) {
    for (let k = 0; k < data.length; k++) if (data[k] < 0) data[k] *= slope;
    return data;
  }

  function sigmoid(data) {
    for (let k = 0; k < data.length; k++) data[k] = 1 / (1 + Math.exp(-data[k]));
    return data;
  }

  /* Par la tangente hyperbolique, comme GPT-2. */
  function gelu(data) {
    const scale = Math.sqrt(2 / Math.PI);
    for (let k = 0; k < data.length; k++) {
      const x = data[k];
      data[k] = (x / 2) * (1 + Math.tanh(scale * (x + 0.044715 * x ** 3)));
    }
    return data;
  }

  function silu(data) {
    for (let k = 0; k < data.length; k++) data[k] /= 1 + Math.exp(-data[k]);
    return data;
  }

  /* Une loi de probabilité, d'après des logits ; eux restent tels quels. */
  function softmax(logits) {
    const most = Math.max(...logits);
    const powers = logits.map((logit) => Math.exp(logit - most));
    const total = powers.reduce((sum, power) => sum + power, 0);
    return powers.map((power) => power / total);
  }

  root.layers = {
    multiply, linear, embedding, conv2d, convTransposed2d, addToChannels, batchNorm, layerNorm, band, resample,
    maxPool, concatenate, relu, leakyRelu, sigmoid, gelu, silu, softmax,
  };
}

installLayers(globalThis);
