/* Les deux prédictions demandées, et ce qu'il fallait voir. Les nombres cités sont vérifiés par les
   tests ; ceux de la partie jouée s'y ajoutent. */

globalThis.diffusionQuestions = {
  noise: {
    title: "Le départ du bruit",
    question: "Un tirage part de t = 999 et va à l'image en vingt pas égaux. À quel instant la variance du bruit " +
      "de x_t, 1 − ᾱ, tombe-t-elle sous 1/2 ?",
    choices: ["vers t = 750, tôt", "vers t = 500, à mi-chemin", "vers t = 250, tard"],
    right: 2,
    action: "Tirer une image",
    seen: "Le bruit ne part pas à un rythme constant : à mi-chemin, 1 − ᾱ vaut encore 0,92. L'image devinée " +
      "x̂0 prend pourtant sa forme bien plus tôt. Reculez le curseur pour le voir.",
  },
  guidance: {
    title: "La force du guidage",
    question: "Neuf graines d'un 3, d'abord à s = 1, puis guidées à s = 4. Que deviennent les neuf images ?",
    choices: ["plus variées", "plus semblables, d'un trait plus épais", "les mêmes, en plus net"],
    right: 1,
    action: "Tirer deux fois neuf images",
    seen: "Le guidage exagère ce qui distingue la classe : la diversité baisse, le trait épaissit. Au " +
      "lab, sur deux mille tirages, la classe demandée est mieux suivie, et la FID passe de 62 à 8 quand s va de 1 à 2, " +
      "puis remonte à 27 pour s = 4 et à 53 pour s = 8 : un peu de guidage aide, davantage nuit.",
  },
};
