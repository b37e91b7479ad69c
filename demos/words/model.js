/* Le Transformer masqué du lab 9, en évaluation, et les tirages de ses mots. */

function installWords(root) {
  "use strict";
  const { layers, weights } = root;

  const [END, MASK] = [0, 1]; // les numéros de <fin> et de <masque>
  const HEADS = 4;
  const STAGES = 3;
  let tensors = null;
  let size = 0; // C, d'un vecteur de position
  const parts = {};

  const layer = (prefix) => (parts[prefix] = parts[prefix] || weights.parameters(tensors, prefix));

  function load(file) {
    tensors = weights.unpack(file);
    size = tensors["tokens.weight"].shape[1];
  }

  /* --- le réseau : jetons [T] -> un vecteur par position, et les cartes d'attention --------------- */

  /* À la position t, la paire (i, i + D/2) tourne de t · 10000^(-2i/D), sur place. */
  function rotate(qkv, at, position, depth) {
    const half = depth / 2;
    for (let i = 0; i < half; i++) {
      const angle = position * 10_000 ** (-i / half);
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
      const [a, b] = [qkv[at + i], qkv[at + half + i]];
      qkv[at + i] = a * cos - b * sin;
      qkv[at + half + i] = a * sin + b * cos;
    }
  }

  function softmax(values) {
    const most = Math.max(...values);
    const powers = values.map((value) => Math.exp(value - most));
    const total = powers.reduce((sum, power) => sum + power, 0);
    return powers.map((power) => power / total);
  }

  /* softmax(Q Kᵀ / √D) V, tête par tête ; `maps` en reçoit les poids, [têtes][T][T]. */
  function attend(qkv, count, maps) {
    const depth = size / HEADS;
    const out = new Float32Array(count * size);
    for (let head = 0; head < HEADS; head++) {
      const at = (position, part) => (3 * position + part) * size + head * depth;
      for (let t = 0; t < count; t++) for (const part of [0, 1]) rotate(qkv, at(t, part), t, depth);
      maps.push(Array.from({ length: count }, (_, t) => {
        const scores = Array.from({ length: count }, (__, s) => {
          let score = 0;
          for (let d = 0; d < depth; d++) score += qkv[at(t, 0) + d] * qkv[at(s, 1) + d];
          return score / Math.sqrt(depth);
        });
        const read = softmax(scores);
        read.forEach((weight, s) => {
          for (let d = 0; d < depth; d++) out[t * size + head * depth + d] += weight * qkv[at(s, 2) + d];
        });
        return read;
      }));
    }
    return out;
  }

  function add(x, y) {
    for (let k = 0; k < x.length; k++) x[k] += y[k];
  }

  /* { stages : x après chaque étage, h : la dernière norme [T, C], maps [étages][têtes][T][T] } */
  function trace(ids) {
    const count = ids.length;
    const x = new Float32Array(count * size);
    ids.forEach((id, t) => x.set(layers.embedding(id, layer("tokens")), t * size));
    const [stages, maps] = [[], []];
    for (let rank = 0; rank < STAGES; rank++) {
      const b = (name) => layer(`blocks.${rank}.${name}`);
      maps.push([]);
      const qkv = layers.linear(layers.layerNorm(x, b("norm1")), b("attention.to_qkv"), count);
      add(x, layers.linear(attend(qkv, count, maps[rank]), b("attention.merge"), count));
      const wide = layers.gelu(layers.linear(layers.layerNorm(x, b("norm2")), b("widen"), count));
      add(x, layers.linear(wide, b("narrow"), count));
      stages.push(x.slice());
    }
    return { stages, h: layers.layerNorm(x, layer("norm")), maps };
  }

  /* Les logits des positions masquées, dans l'ordre ; le masque lui-même en est exclu. */
  function blankLogits(ids) {
    const { h } = trace(ids);
    return blanks(ids).map((t) => {
      const logits = layers.linear(h.subarray(t * size, (t + 1) * size), layer("tokens"));
      logits[MASK] = -Infinity;
      return logits;
    });
  }

  const blanks = (ids) => ids.flatMap((id, t) => (id === MASK ? [t] : []));

  /* --- les tirages, comme labkit.models.generation ------------------------------------------------- */

  /* softmax(logits / température), restreint aux jetons les plus probables jusqu'à `topP`. */
  function probabilities(logits, temperature, topP) {
    const law = softmax(Array.from(logits, (logit) => logit / temperature));
    if (topP >= 1) return law;
    const order = law.map((_, token) => token).sort((a, b) => law[b] - law[a] || a - b);
    const kept = new Array(law.length).fill(0);
    let before = 0;
    for (const token of order) {
      if (before >= topP) break;
      kept[token] = law[token];
      before += law[token];
    }
    return kept.map((value) => value / before);
  }

  /* Le premier jeton où la somme des probabilités dépasse u, uniforme dans [0, 1[. */
  function pick(law, u) {
    const total = law.reduce((sum, value) => sum + value, 0);
    let sum = 0;
    return law.findIndex((value) => (sum += value) > u * total);
  }

  /* La loi de la position masquée `at`, d'après les deux côtés, ou d'après la gauche seule : tout ce
     qui suit est alors masqué. */
  function laws(ids, at, temperature, topP) {
    const law = (read) => probabilities(blankLogits(read)[blanks(read).indexOf(at)], temperature, topP);
    return { both: law(ids), left: law(ids.map((id, t) => (t > at ? MASK : id))) };
  }

  const attention = (ids) => trace(ids).maps;

  /* Remplit un masque à la fois. Un mot est tiré à chaque masque, un seul est gardé : le plus probable
     des tirés, un au hasard, ou le premier. `us` : un nombre uniforme par tirage, dans l'ordre. */
  function write(ids, { order, temperature, topP }, us) {
    const numbers = us[Symbol.iterator]();
    const next = () => numbers.next().value;
    const text = [...ids];
    const kept = [];
    for (let places = blanks(text); places.length; places = blanks(text)) {
      const laws = blankLogits(text).map((logits) => probabilities(logits, temperature, topP));
      const drawn = laws.map((law) => pick(law, next()));
      const chances = drawn.map((token, k) => laws[k][token]);
      const scores = { confident: () => chances, random: () => places.map(next), left: () => places.map((t) => -t) };
      const ranks = scores[order]();
      const best = ranks.indexOf(Math.max(...ranks));
      const likeliest = laws[best].indexOf(Math.max(...laws[best]));
      text[places[best]] = drawn[best];
      kept.push({ place: places[best], token: drawn[best], chance: chances[best],
        isLikeliest: drawn[best] === likeliest });
    }
    return { text, kept };
  }

  root.words = { END, MASK, STAGES, HEADS, load, trace, blankLogits, blanks, probabilities, pick, laws, attention, write };
}

installWords(globalThis);
