/* Les deux Transformers du lab 9, masqué et causal, en évaluation, et les tirages de leurs mots. */

function installWords(root) {
  "use strict";
  const { layers, weights } = root;

  const [END, MASK] = [0, 1]; // les numéros de <fin> et de <masque>
  const HEADS = 4;
  const STAGES = { masked: 3, causal: 2 };
  const networks = {};

  /* --- le réseau : jetons [T] -> un vecteur par position, et les cartes d'attention --------------- */

  class Network {
    /* `isCausal` : une position lit celles d'avant et elle-même ; sinon, elle les lit toutes. */
    constructor(file, stages, isCausal) {
      this.tensors = weights.unpack(file);
      [this.stages, this.isCausal] = [stages, isCausal];
      this.size = this.tensors["tokens.weight"].shape[1]; // C, d'un vecteur de position
      this.parts = {};
    }

    layer(prefix) {
      return (this.parts[prefix] = this.parts[prefix] || weights.parameters(this.tensors, prefix));
    }

    /* { stages : x après chaque étage, h : la dernière norme [T, C], maps [étages][têtes][T][T] } */
    trace(ids) {
      const count = ids.length;
      const x = new Float32Array(count * this.size);
      ids.forEach((id, t) => x.set(layers.embedding(id, this.layer("tokens")), t * this.size));
      const [stages, maps] = [[], []];
      for (let rank = 0; rank < this.stages; rank++) {
        const b = (name) => this.layer(`blocks.${rank}.${name}`);
        const qkv = layers.linear(layers.layerNorm(x, b("norm1")), b("attention.to_qkv"), count);
        const { out, weights: read } = this.attend(qkv, count);
        maps.push(read);
        add(x, layers.linear(out, b("attention.merge"), count));
        const wide = layers.gelu(layers.linear(layers.layerNorm(x, b("norm2")), b("widen"), count));
        add(x, layers.linear(wide, b("narrow"), count));
        stages.push(x.slice());
      }
      return { stages, h: layers.layerNorm(x, this.layer("norm")), maps };
    }

    /* softmax(Q Kᵀ / √D) V, tête par tête, et ses poids [têtes][T][T], nuls où rien n'est lu. */
    attend(qkv, count) {
      const depth = this.size / HEADS;
      const out = new Float32Array(count * this.size);
      const heads = Array.from({ length: HEADS }, (_, head) => {
        const at = (position, part) => (3 * position + part) * this.size + head * depth;
        for (let t = 0; t < count; t++) for (const part of [0, 1]) rotate(qkv, at(t, part), t, depth);
        return Array.from({ length: count }, (__, t) => {
          const row = new Array(count).fill(0);
          const seen = this.isCausal ? t + 1 : count;
          layers.softmax(row.slice(0, seen).map((___, s) => {
            let score = 0;
            for (let d = 0; d < depth; d++) score += qkv[at(t, 0) + d] * qkv[at(s, 1) + d];
            return score / Math.sqrt(depth);
          })).forEach((weight, s) => {
            row[s] = weight;
            for (let d = 0; d < depth; d++) out[t * this.size + head * depth + d] += weight * qkv[at(s, 2) + d];
          });
          return row;
        });
      });
      return { out, weights: heads };
    }

    /* Les logits des positions `places`, dans l'ordre ; le masque, qui n'est pas un mot, en est exclu. */
    logits(ids, places) {
      const { h } = this.trace(ids);
      return places.map((t) => {
        const logits = layers.linear(h.subarray(t * this.size, (t + 1) * this.size), this.layer("tokens"));
        logits[MASK] = -Infinity;
        return logits;
      });
    }
  }

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

  function add(x, y) {
    for (let k = 0; k < x.length; k++) x[k] += y[k];
  }

  /* --- ce que l'on demande aux deux ---------------------------------------------------------------- */

  /* `files` : { masked, causal }, leurs fichiers de poids. */
  function load(files) {
    for (const [name, stages] of Object.entries(STAGES)) {
      networks[name] = new Network(files[name], stages, name === "causal");
    }
  }

  const blanks = (ids) => ids.flatMap((id, t) => (id === MASK ? [t] : []));

  /* Ce que lit le modèle causal, qui n'a jamais vu de trou : les jetons d'avant le premier. */
  const readable = (ids) => ids.slice(0, ids.includes(MASK) ? ids.indexOf(MASK) : ids.length);

  /* Les logits des positions masquées, dans l'ordre. */
  const blankLogits = (ids) => networks.masked.logits(ids, blanks(ids));

  /* Les logits du mot qui vient après `ids`, un texte sans trou. */
  const nextLogits = (ids) => networks.causal.logits(ids, [ids.length - 1])[0];

  const trace = (name, ids) => networks[name].trace(ids);

  /* Les cartes [étages][têtes][T][T] d'un modèle sur les jetons qu'il lit. */
  const attention = (name, ids) => trace(name, name === "causal" ? readable(ids) : ids).maps;

  /* --- les tirages, comme labkit.models.generation ------------------------------------------------- */

  /* softmax(logits / température), restreint aux jetons les plus probables jusqu'à `topP`. */
  function probabilities(logits, temperature, topP) {
    const law = layers.softmax(Array.from(logits, (logit) => logit / temperature));
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

  /* Les lois du mot caché à la place `at` : celle du modèle masqué, d'après les deux côtés, et celle du
     modèle causal, d'après la gauche, ou null s'il y reste un trou. */
  function laws(ids, at, temperature, topP) {
    const left = readable(ids);
    const law = (logits) => probabilities(logits, temperature, topP);
    return { masked: law(blankLogits(ids)[blanks(ids).indexOf(at)]),
      causal: left.length === at ? law(nextLogits(left)) : null };
  }

  /* Remplit un trou à la fois. Le modèle masqué tire un mot à chaque trou et en garde un seul : le plus
     probable des tirés, ou un au hasard ; le modèle causal tire celui du premier trou. `us` : un nombre
     uniforme par tirage, dans l'ordre. */
  function write(ids, { order, temperature, topP }, us) {
    const numbers = us[Symbol.iterator]();
    const next = () => numbers.next().value;
    const text = [...ids];
    const kept = [];
    for (let places = blanks(text); places.length; places = blanks(text)) {
      const logits = order === "causal" ? [nextLogits(readable(text))] : blankLogits(text);
      const laws = logits.map((values) => probabilities(values, temperature, topP));
      const drawn = laws.map((law) => pick(law, next()));
      const chances = drawn.map((token, k) => laws[k][token]);
      const ranks = order === "random" ? places.map(next) : chances;
      const best = ranks.indexOf(Math.max(...ranks));
      const likeliest = laws[best].indexOf(Math.max(...laws[best]));
      text[places[best]] = drawn[best];
      kept.push({ place: places[best], token: drawn[best], isLikeliest: drawn[best] === likeliest });
    }
    return { text, kept };
  }

  root.words = { END, MASK, STAGES, HEADS, load, trace, blankLogits, nextLogits, blanks, probabilities, pick,
    laws, attention, write };
}

installWords(globalThis);
