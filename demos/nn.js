/* De petits réseaux denses, en JavaScript ordinaire : sortie, gradients, optimiseurs, hasard.

   Un script classique, et non un module : un navigateur refuse les modules et les workers d'une page
   ouverte depuis un fichier. Tout tient dans une fonction, dont un worker peut recevoir le texte.

   Les poids sont rangés comme ceux de PyTorch, [sorties, entrées], et les lots [exemples, valeurs].
   Les calculs se font en double précision : une lecture en float32 coûterait une conversion. */

function installNN(root) {
  "use strict";

  /* --- le hasard ---------------------------------------------------------------------------- */

  /* Mulberry32 : la même suite pour la même graine, dans tous les navigateurs. */
  function random(seed) {
    let state = seed >>> 0;
    let spare = null;
    const uniform = () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
    /* Box et Muller : deux valeurs gaussiennes à la fois, dont une attend son tour. */
    const normal = () => {
      if (spare !== null) {
        const kept = spare;
        spare = null;
        return kept;
      }
      const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
      const angle = 2 * Math.PI * uniform();
      spare = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    };
    return { uniform, normal };
  }

  /* --- les activations ---------------------------------------------------------------------- */

  /* La dérivée s'écrit avec la sortie y : rien d'autre n'est à garder. */
  const ACTIVATIONS = {
    linear: { value: (a) => a, slope: () => 1 },
    leaky_relu: { value: (a) => (a > 0 ? a : 0.2 * a), slope: (y) => (y > 0 ? 1 : 0.2) },
    relu: { value: (a) => (a > 0 ? a : 0), slope: (y) => (y > 0 ? 1 : 0) },
    tanh: { value: Math.tanh, slope: (y) => 1 - y * y },
    sigmoid: { value: sigmoid, slope: (y) => y * (1 - y) },
  };

  function sigmoid(a) {
    return 1 / (1 + Math.exp(-a));
  }

  /* log(1 + e^a), sans dépassement. */
  function softplus(a) {
    return Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a)));
  }

  /* --- un réseau ---------------------------------------------------------------------------- */

  /* Des couches denses de tailles successives. Poids et biais de départ sont ceux de nn.Linear :
     uniformes dans ± 1 / √entrées. */
  function network(sizes, random, hidden = "leaky_relu", output = "linear") {
    const layers = [];
    for (let rank = 0; rank + 1 < sizes.length; rank++) {
      const inputs = sizes[rank];
      const outputs = sizes[rank + 1];
      const bound = 1 / Math.sqrt(inputs);
      const draw = () => bound * (2 * random.uniform() - 1);
      const activation = rank + 2 < sizes.length ? hidden : output;
      layers.push({
        inputs,
        outputs,
        activation,
        weight: Float64Array.from({ length: outputs * inputs }, draw),
        bias: Float64Array.from({ length: outputs }, draw),
        weightGradient: new Float64Array(outputs * inputs),
        biasGradient: new Float64Array(outputs),
        output: new Float64Array(0), // [exemples, sorties], grandit au besoin
        gradient: new Float64Array(0), // de la perte par rapport à `output`
      });
    }
    return { sizes, layers };
  }

  function reserve(layer, count) {
    if (layer.output.length < count * layer.outputs) {
      layer.output = new Float64Array(count * layer.outputs);
      layer.gradient = new Float64Array(count * layer.outputs);
    }
  }

  /* Sortie du réseau pour `count` exemples. Le tableau renvoyé est réemployé à l'appel suivant. */
  function forward(net, x, count) {
    for (const layer of net.layers) {
      reserve(layer, count);
      multiply(layer, x, count);
      activate(layer, count);
      x = layer.output;
    }
    return x;
  }

  /* y = x Wᵀ + b, quatre sorties à la fois : chaque entrée lue sert quatre fois. */
  function multiply(layer, x, count) {
    const { inputs, outputs, weight, bias, output } = layer;
    for (let b = 0; b < count; b++) {
      const row = b * inputs;
      const out = b * outputs;
      let o = 0;
      for (; o + 4 <= outputs; o += 4) {
        const w0 = o * inputs;
        const w1 = w0 + inputs;
        const w2 = w1 + inputs;
        const w3 = w2 + inputs;
        let a0 = bias[o];
        let a1 = bias[o + 1];
        let a2 = bias[o + 2];
        let a3 = bias[o + 3];
        for (let i = 0; i < inputs; i++) {
          const value = x[row + i];
          a0 += value * weight[w0 + i];
          a1 += value * weight[w1 + i];
          a2 += value * weight[w2 + i];
          a3 += value * weight[w3 + i];
        }
        output[out + o] = a0;
        output[out + o + 1] = a1;
        output[out + o + 2] = a2;
        output[out + o + 3] = a3;
      }
      for (; o < outputs; o++) {
        let a = bias[o];
        for (let i = 0; i < inputs; i++) a += x[row + i] * weight[o * inputs + i];
        output[out + o] = a;
      }
    }
  }

  function activate(layer, count) {
    if (layer.activation === "linear") return;
    const { output, outputs } = layer;
    const { value } = ACTIVATIONS[layer.activation];
    for (let k = 0; k < count * outputs; k++) output[k] = value(output[k]);
  }

  function clearGradients(net) {
    for (const layer of net.layers) {
      layer.weightGradient.fill(0);
      layer.biasGradient.fill(0);
    }
  }

  /* Ajoute aux gradients des poids ceux de `count` exemples, après `forward` sur les mêmes x.
     `gradient` est celui de la perte par rapport à la sortie. `wanted` : { weights, inputs }, ce
     qu'il faut calculer ; `inputs`, un tableau à remplir, ou rien. */
  function backward(net, x, gradient, count, wanted) {
    const last = net.layers.length - 1;
    net.layers[last].gradient.set(gradient.subarray(0, count * net.layers[last].outputs));
    for (let rank = last; rank >= 0; rank--) {
      const layer = net.layers[rank];
      const below = rank ? net.layers[rank - 1] : null;
      throughActivation(layer, count);
      if (wanted.weights) addWeightGradients(layer, below ? below.output : x, count);
      const target = below ? below.gradient : wanted.inputs;
      if (target) inputGradients(layer, target, count);
    }
  }

  function throughActivation(layer, count) {
    if (layer.activation === "linear") return;
    const { output, gradient, outputs } = layer;
    const { slope } = ACTIVATIONS[layer.activation];
    for (let k = 0; k < count * outputs; k++) gradient[k] *= slope(output[k]);
  }

  /* Quatre exemples à la fois : un poids lu et écrit sert quatre fois. */
  function addWeightGradients(layer, x, count) {
    const { inputs, outputs, gradient, weightGradient, biasGradient } = layer;
    let b = 0;
    for (; b + 4 <= count; b += 4) {
      const x0 = b * inputs;
      const x1 = x0 + inputs;
      const x2 = x1 + inputs;
      const x3 = x2 + inputs;
      for (let o = 0; o < outputs; o++) {
        const at = b * outputs + o;
        const g0 = gradient[at];
        const g1 = gradient[at + outputs];
        const g2 = gradient[at + 2 * outputs];
        const g3 = gradient[at + 3 * outputs];
        biasGradient[o] += g0 + g1 + g2 + g3;
        const row = o * inputs;
        for (let i = 0; i < inputs; i++) {
          weightGradient[row + i] +=
            g0 * x[x0 + i] + g1 * x[x1 + i] + g2 * x[x2 + i] + g3 * x[x3 + i];
        }
      }
    }
    for (; b < count; b++) {
      for (let o = 0; o < outputs; o++) {
        const g = gradient[b * outputs + o];
        biasGradient[o] += g;
        for (let i = 0; i < inputs; i++) weightGradient[o * inputs + i] += g * x[b * inputs + i];
      }
    }
  }

  function inputGradients(layer, target, count) {
    const { inputs, outputs, weight, gradient } = layer;
    target.fill(0, 0, count * inputs);
    for (let b = 0; b < count; b++) {
      const row = b * inputs;
      let o = 0;
      for (; o + 4 <= outputs; o += 4) {
        const at = b * outputs + o;
        const g0 = gradient[at];
        const g1 = gradient[at + 1];
        const g2 = gradient[at + 2];
        const g3 = gradient[at + 3];
        const w0 = o * inputs;
        const w1 = w0 + inputs;
        const w2 = w1 + inputs;
        const w3 = w2 + inputs;
        for (let i = 0; i < inputs; i++) {
          target[row + i] +=
            g0 * weight[w0 + i] + g1 * weight[w1 + i] + g2 * weight[w2 + i] + g3 * weight[w3 + i];
        }
      }
      for (; o < outputs; o++) {
        const g = gradient[b * outputs + o];
        for (let i = 0; i < inputs; i++) target[row + i] += g * weight[o * inputs + i];
      }
    }
  }

  /* --- les pertes d'un jeu, fonctions d'un logit : [valeur, dérivée] ------------------------- */

  const logistic = {
    real: (l) => [softplus(-l), sigmoid(l) - 1],
    drawn: (l) => [softplus(l), sigmoid(l)],
  };
  const LOSSES = {
    non_saturating: { ...logistic, generator: (l) => [softplus(-l), sigmoid(l) - 1] },
    minimax: { ...logistic, generator: (l) => [-softplus(l), -sigmoid(l)] },
    least_squares: {
      real: (l) => [(l - 1) * (l - 1), 2 * (l - 1)],
      drawn: (l) => [l * l, 2 * l],
      generator: (l) => [(l - 1) * (l - 1), 2 * (l - 1)],
    },
  };

  /* Moyenne d'une perte sur `count` logits ; son gradient est écrit dans `gradient`. */
  function meanLoss(loss, logits, count, gradient) {
    let total = 0;
    for (let b = 0; b < count; b++) {
      const [value, slope] = loss(logits[b]);
      total += value;
      gradient[b] = slope / count;
    }
    return total / count;
  }

  /* --- les optimiseurs, aux formules de PyTorch ---------------------------------------------- */

  function tensors(net) {
    return net.layers.flatMap((layer) => [
      [layer.weight, layer.weightGradient],
      [layer.bias, layer.biasGradient],
    ]);
  }

  function sgd(net, rate) {
    const pairs = tensors(net);
    return {
      rate,
      step() {
        for (const [value, gradient] of pairs) {
          for (let k = 0; k < value.length; k++) value[k] -= this.rate * gradient[k];
        }
      },
    };
  }

  function adam(net, rate, [beta1, beta2] = [0.5, 0.99], epsilon = 1e-8) {
    const states = tensors(net).map(([value, gradient]) => ({
      value,
      gradient,
      m: new Float64Array(value.length),
      v: new Float64Array(value.length),
    }));
    let steps = 0;
    return {
      rate,
      step() {
        steps += 1;
        const size = this.rate / (1 - beta1 ** steps);
        const scale = Math.sqrt(1 - beta2 ** steps);
        for (const { value, gradient, m, v } of states) {
          for (let k = 0; k < value.length; k++) {
            const g = gradient[k];
            m[k] = beta1 * m[k] + (1 - beta1) * g;
            v[k] = beta2 * v[k] + (1 - beta2) * g * g;
            value[k] -= (size * m[k]) / (Math.sqrt(v[k]) / scale + epsilon);
          }
        }
      },
    };
  }

  const OPTIMIZERS = { adam, sgd };

  root.nn = {
    ACTIVATIONS, LOSSES, OPTIMIZERS,
    random, network, forward, backward, clearGradients, meanLoss, sigmoid, softplus,
  };
}

installNN(globalThis);
