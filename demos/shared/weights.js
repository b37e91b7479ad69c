/* Les poids des références : un script par modèle, ajouté à la page quand une démonstration s'en
   sert. `python -m tools.demos` les écrit dans demos/weights/, et la construction du site dans les
   siens. Un script, et non un fichier de données : une page ouverte du disque ne peut rien lire. */

function installWeights(root) {
  "use strict";

  const POWERS = Float64Array.from({ length: 32 }, (_, exponent) => 2 ** (exponent - 15));

  /* Un float16 sur ses 16 bits : signe, cinq bits d'exposant, dix de mantisse. */
  function fromHalf(bits) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const mantissa = bits & 1023;
    if (exponent === 0) return sign * mantissa * 2 ** -24;
    if (exponent === 31) return mantissa ? NaN : sign * Infinity;
    return sign * (1 + mantissa / 1024) * POWERS[exponent];
  }

  /* { tensors: [[nom, forme]…], base64 } en { nom: { shape, data: Float32Array } }. */
  function unpack({ tensors, base64 }) {
    const bytes = atob(base64);
    const unpacked = {};
    let at = 0;
    for (const [name, shape] of tensors) {
      const count = shape.reduce((product, size) => product * size, 1);
      const data = new Float32Array(count);
      for (let k = 0; k < count; k++, at += 2) {
        data[k] = fromHalf(bytes.charCodeAt(at) | (bytes.charCodeAt(at + 1) << 8));
      }
      unpacked[name] = { shape, data };
    }
    return unpacked;
  }

  /* Les paramètres d'une couche : { weight, bias… } pour le préfixe « down1.conv1 ». */
  function parameters(tensors, prefix) {
    const found = {};
    for (const [name, tensor] of Object.entries(tensors)) {
      const dot = name.lastIndexOf(".");
      if (name.slice(0, dot) === prefix) found[name.slice(dot + 1)] = tensor;
    }
    return found;
  }

  root.weights = { unpack, parameters };
}

installWeights(globalThis);

/* Ce qui suit est pour la page seule : un worker reçoit les fichiers de poids tout lus. */
(() => {
  "use strict";
  const folder = new URL("../weights/", document.currentScript.src);
  const pending = {};

  globalThis.weightFiles = {}; // chaque script de poids y ajoute le sien

  /* Le fichier de poids `name`, chargé une seule fois. */
  weights.load = (name) => {
    pending[name] = pending[name] || new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = new URL(`${name}.js`, folder);
      script.onload = () => resolve(globalThis.weightFiles[name]);
      script.onerror = () => {
        delete pending[name];
        script.remove();
        reject(new Error(`Les poids du modèle (${name}) manquent. Dans une copie du dépôt, lancez ` +
          "« python -m tools.demos », puis rechargez la page."));
      };
      document.head.append(script);
    });
    return pending[name];
  };
})();
