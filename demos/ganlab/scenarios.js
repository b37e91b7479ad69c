/* Les cinq expériences du rapport : des réglages, une prédiction demandée, ce qu'il faut voir. `against` :
   les réglages d'une seconde partie, quand la question compare ; `names` les nomme, et `early` est un pas
   où les comparer aussi. */

function installScenarios(root) {
  "use strict";

  root.scenarios = [
    {
      title: "Un bruit d'une seule dimension",
      rules: { law: "gaussians", latentDim: 1, seed: 2 },
      question: "Le bruit n'a plus qu'une dimension, la loi en a huit paquets. Où iront les points de G ?",
      choices: ["dans les huit paquets, et nulle part ailleurs", "le long d'une courbe", "en un seul point"],
      right: 1,
      seen:
        "G change un segment en une courbe continue : ses points n'en sortent pas. Elle passe par des " +
        "paquets et laisse des points en chemin ; voyez « La grille du bruit ».",
    },
    {
      title: "Un G trop petit",
      rules: { law: "ring", generatorDims: [2], seed: 0 },
      question: "G n'a plus que deux neurones cachés. Que fera-t-il d'un anneau ?",
      choices: ["un anneau plus flou", "une tache ou un coin, sans trou", "rien, ses points ne bougeront pas"],
      right: 1,
      seen:
        "Deux neurones plient le plan deux fois au plus : G étire et replie la tache de départ sans pouvoir " +
        "y percer un trou. D a la place de le voir, et sa perte reste loin de 2 log 2.",
    },
    {
      title: "Un D trop fort",
      rules: { law: "ring", loss: "minimax", optimizer: "sgd", updates: [5, 1], rates: [0.3, 0.1], seed: 0 },
      question: "D apprend cinq fois par pas, trois fois plus vite ; G minimise log(1 − D), par SGD. Qui y gagne ?",
      choices: ["G : un meilleur maître l'instruit mieux", "aucun des deux", "D : G n'apprend presque plus rien"],
      right: 2,
      seen:
        "D rejette beaucoup de points de G avec certitude ; la perte minimax y est plate, et G en reçoit peu de " +
        "gradient. Avec une seule mise à jour de D par pas, l'écart descend bien plus bas ; avec Adam, taux " +
        "0,002 et 0,001, aussi : il remet le gradient à l'échelle.",
    },
    {
      title: "Cinq mises à jour de D pour une de G",
      rules: { law: "ring", updates: [5, 1], seed: 0 },
      against: { updates: [1, 1] },
      names: ["cinq pour un", "un pour un"],
      early: 300,
      question: "À nombre de pas égal, D apprend cinq fois plus souvent. L'écart JS final sera-t-il…",
      choices: ["nettement plus petit", "nettement plus grand", "à peu près le même"],
      right: 2,
      seen:
        "Cinq pour un prend de l'avance : à 300 pas, son écart est le plus petit pour chacune des cinq graines " +
        "du carnet. Puis l'autre règle la rattrape : à 600 pas, sur cinq graines, les étendues se recouvrent. Un " +
        "pas coûte ici trois fois plus : comparez aussi à durée égale.",
    },
    {
      title: "Un bruit uniforme",
      rules: { law: "ring", noise: "uniform", seed: 0 },
      against: { noise: "gaussian" },
      names: ["bruit uniforme", "bruit gaussien"],
      question: "Le bruit devient uniforme, de même variance. L'anneau sera-t-il…",
      choices: ["nettement mieux couvert", "nettement moins bien couvert", "couvert à peu près aussi bien"],
      right: 2,
      seen:
        "Sur cinq graines, les écarts des deux bruits se recouvrent (voir le carnet) : une seule partie n'en " +
        "dit rien. Recommencez avec d'autres graines.",
    },
  ];
}

installScenarios(globalThis);
