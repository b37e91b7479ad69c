/* Calculer sans bloquer la page : un worker fait du texte des mêmes fonctions que la page, car un
   navigateur refuse de relire un fichier à une page ouverte du disque. */

(() => {
  "use strict";

  /* Un worker où `installs`, des fonctions qui reçoivent l'objet global, sont exécutées tour à tour. */
  function start(installs) {
    const parts = installs.map((install) => `(${install})(self);`);
    const url = URL.createObjectURL(new Blob([parts.join("\n")], { type: "text/javascript" }));
    const worker = new Worker(url);
    URL.revokeObjectURL(url);
    return worker;
  }

  /* Un worker que l'on interroge : `ask(action, ...arguments)` promet ce que renvoie la fonction de
     ce nom, que `installs` a rangée dans l'objet global `name`. */
  function interview(name, installs) {
    const worker = start([...installs, answerQuestions]);
    const waiting = new Map();
    let asked = 0;
    worker.onmessage = ({ data: { id, result, error } }) => {
      const { resolve, reject } = waiting.get(id);
      waiting.delete(id);
      if (error) reject(new Error(error));
      else resolve(result);
    };
    return (action, ...given) => new Promise((resolve, reject) => {
      waiting.set(++asked, { resolve, reject });
      worker.postMessage({ id: asked, name, action, given });
    });
  }

  function answerQuestions(root) {
    root.onmessage = ({ data: { id, name, action, given } }) => {
      try {
        root.postMessage({ id, result: root[name][action](...given) });
      } catch (error) {
        root.postMessage({ id, error: error.message });
      }
    };
  }

  globalThis.workers = { start, interview };
})();
