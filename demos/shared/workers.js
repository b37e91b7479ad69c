/* Calculer sans bloquer la page : un worker fait du texte des mêmes fonctions que la page, car un
   navigateur refuse de relire un fichier à une page ouverte du disque. */

(() => {
  "use strict";
  const { Told } = globalThis.controls;

  /* Un worker où `installs`, des fonctions qui reçoivent l'objet global, sont exécutées tour à tour.
     S'il s'arrête de lui-même, `say` reçoit de quoi le dire au lecteur. */
  function start(installs, say) {
    const parts = installs.map((install) => `(${install})(self);`);
    const url = URL.createObjectURL(new Blob([parts.join("\n")], { type: "text/javascript" }));
    const worker = new Worker(url);
    URL.revokeObjectURL(url);
    worker.onerror = (event) => {
      event.preventDefault();
      say(`Le calcul s'est arrêté (${event.message}). Rechargez la page pour recommencer.`);
    };
    return worker;
  }

  /* Un worker que l'on interroge : `ask(action, ...arguments)` promet ce que renvoie la fonction de
     ce nom, que `installs` a rangée dans l'objet global `name`. Un échec est dit par `say`, et arrête ce
     qui attendait la réponse. */
  function interview(name, installs, say) {
    const waiting = new Map();
    let [asked, stopped] = [0, ""];
    const refuse = (id, text) => {
      waiting.get(id).reject(new Told(text));
      waiting.delete(id);
    };
    const worker = start([...installs, answerQuestions], (text) => {
      stopped = text;
      say(text);
      for (const id of [...waiting.keys()]) refuse(id, text);
    });
    worker.onmessage = ({ data: { id, result, error } }) => {
      if (error) {
        const text = `Le calcul a échoué (${error}). Recommencez ; s'il échoue encore, rechargez la page.`;
        say(text);
        return refuse(id, text);
      }
      waiting.get(id).resolve(result);
      waiting.delete(id);
    };
    return (action, ...given) => new Promise((resolve, reject) => {
      waiting.set(++asked, { resolve, reject });
      if (stopped) {
        say(stopped);
        refuse(asked, stopped);
      } else worker.postMessage({ id: asked, name, action, given });
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
