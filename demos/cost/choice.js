/* Choisir sous un budget : ce qui reste, ce qui est en tête, le front de Pareto. Rien ici ne dessine. */

function installChoice(root) {
  "use strict";

  /* Les mesures : `sign`, 1 si plus vaut mieux. */
  const MEASURES = {
    fid: { name: "FID", sign: -1, digits: 1 },
    recall: { name: "rappel", sign: 1, digits: 3 },
    precision: { name: "précision", sign: 1, digits: 3 },
    coverage: { name: "couverture", sign: 1, digits: 3 },
    recognised: { name: "part reconnue", sign: 1, digits: 3 },
  };

  /* Moyenne et étendue des lots de tirages ; rien si la mesure n'a pas été faite. */
  function summary({ measures }, measure) {
    const values = measures[measure];
    if (!values) return null;
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return { mean, low: Math.min(...values), high: Math.max(...values), lots: values.length };
  }

  const fits = (model, { seconds, parameters }) =>
    model.seconds <= seconds && model.parameters <= parameters;

  /* Les modèles mesurés qui tiennent dans le budget, du meilleur au moins bon. */
  function ranking(models, measure, budget) {
    const { sign } = MEASURES[measure];
    return models.filter((model) => summary(model, measure) && fits(model, budget))
      .sort((a, b) => sign * (summary(b, measure).mean - summary(a, measure).mean));
  }

  /* Ceux dont l'étendue touche celle du premier : les lots ne les départagent pas. */
  function ties([first, ...others], measure) {
    const best = summary(first, measure);
    return others.filter((model) => {
      const { low, high } = summary(model, measure);
      return low <= best.high && high >= best.low;
    });
  }

  /* Comme labkit.pareto_front : ceux que nul autre ne domine, du moins cher au plus cher. */
  function paretoFront(models, measure) {
    const defect = (model) => -MEASURES[measure].sign * summary(model, measure).mean;
    const dominates = (a, b) => a.seconds <= b.seconds && defect(a) <= defect(b) &&
      (a.seconds < b.seconds || defect(a) < defect(b));
    return models.filter((model) => !models.some((other) => dominates(other, model)))
      .sort((a, b) => a.seconds - b.seconds);
  }

  root.choice = { MEASURES, summary, fits, ranking, ties, paretoFront };
}

installChoice(globalThis);
