/* Dessiner sur un canevas : couleurs du thème, cartes de valeurs, images, courbes, points du plan. */

function installDrawing(root) {
  "use strict";
  const { french } = root.controls;

  /* --- le canevas et les couleurs -------------------------------------------------------------- */

  const COLORS = ["paper", "ink", "faint", "real", "drawn"];

  /* Les couleurs du thème, lues sur un élément de la démonstration. */
  function palette(node) {
    const style = getComputedStyle(node);
    return Object.fromEntries(COLORS.map((name) => [name, style.getPropertyValue(`--demo-${name}`).trim()]));
  }

  /* Le contexte d'un canevas, mis à la taille qu'il a dans la page : [contexte, largeur, hauteur]. */
  function fitted(canvas) {
    const ratio = Math.min(2, devicePixelRatio || 1);
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const [columns, rows] = [width, height].map((size) => Math.round(size * ratio));
    if (canvas.width !== columns || canvas.height !== rows) {
      canvas.width = columns;
      canvas.height = rows;
    }
    const ctx = canvas.getContext("2d");
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    return [ctx, width, height];
  }

  function clear(ctx, width, height, { paper }) {
    ctx.fillStyle = paper;
    ctx.fillRect(0, 0, width, height);
  }

  /* --- valeurs et images ------------------------------------------------------------------------ */

  const rgb = (color) => [1, 3, 5].map((k) => parseInt(color.slice(k, k + 2), 16));

  function image(columns, rows, paint) {
    const canvas = document.createElement("canvas");
    canvas.width = columns;
    canvas.height = rows;
    const pixels = new ImageData(columns, rows);
    paint(pixels.data);
    canvas.getContext("2d").putImageData(pixels, 0, 0);
    return canvas;
  }

  /* Un carré de valeurs, la rangée du bas d'abord : `low` couleur `drawn`, milieu fond, `high` couleur
     `real`. */
  function heatImage(values, count, low, high, { drawn, paper, real }) {
    const [from, middle, to] = [drawn, paper, real].map(rgb);
    return image(count, count, (data) => {
      for (let k = 0; k < count * count; k++) {
        const value = Math.min(1, Math.max(0, (values[k] - low) / (high - low)));
        const [far, share] = value < 0.5 ? [from, 1 - 2 * value] : [to, 2 * value - 1];
        const pixel = 4 * ((count - 1 - Math.floor(k / count)) * count + (k % count));
        for (let c = 0; c < 3; c++) data[pixel + c] = middle[c] + share * (far[c] - middle[c]);
        data[pixel + 3] = Number.isNaN(value) ? 0 : 255;
      }
    });
  }

  /* Une image de gris de `side` colonnes, de 0 noir à 1 blanc comme dans les labs, ses pixels visibles ; elle
     remplit un carré de côté `size`, et une valeur qui manque, NaN, est transparente. */
  function pixels(ctx, values, side, x, y, size) {
    const small = image(side, values.length / side, (data) => {
      for (let k = 0; k < values.length; k++) {
        data.fill(Math.round(255 * Math.min(1, Math.max(0, values[k]))), 4 * k, 4 * k + 3);
        data[4 * k + 3] = Number.isNaN(values[k]) ? 0 : 255;
      }
    });
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(small, x, y, size, size);
  }

  /* --- le plan ---------------------------------------------------------------------------------- */

  /* Passage des valeurs aux pixels dans un cadre. `x` et `y` : { low, high, log }. */
  function plane(width, height, x, y, { left = 44, right = 10, top = 10, bottom = 30 } = {}) {
    const share = ({ low, high, log }, value) =>
      log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
    const back = ({ low, high, log }, part) => (log ? low * (high / low) ** part : low + part * (high - low));
    return {
      x: (value) => left + (width - left - right) * share(x, value),
      y: (value) => height - bottom - (height - top - bottom) * share(y, value),
      at: (px, py) => [back(x, (px - left) / (width - left - right)),
        back(y, (height - bottom - py) / (height - top - bottom))],
      left, top, right: width - right, bottom: height - bottom,
    };
  }

  /* Le cadre, les graduations { valeur: texte } des deux axes, et leurs noms. */
  function axes(ctx, to, { xTicks = {}, yTicks = {}, xLabel = "", yLabel = "" }, { ink, faint }) {
    ctx.font = "12px sans-serif";
    ctx.fillStyle = ink;
    ctx.strokeStyle = faint;
    ctx.lineWidth = 1;
    ctx.strokeRect(to.left, to.top, to.right - to.left, to.bottom - to.top);
    ctx.textAlign = "center";
    for (const [value, text] of Object.entries(xTicks)) {
      ctx.strokeRect(to.x(Number(value)), to.top, 0, to.bottom - to.top);
      ctx.fillText(text, to.x(Number(value)), to.bottom + 14);
    }
    ctx.textAlign = "right";
    for (const [value, text] of Object.entries(yTicks)) {
      ctx.strokeRect(to.left, to.y(Number(value)), to.right - to.left, 0);
      ctx.fillText(text, to.left - 5, to.y(Number(value)) + 4);
    }
    ctx.fillText(xLabel, to.right, to.bottom + 27);
    ctx.fillText(yLabel, to.right - 5, to.top + 14);
  }

  /* --- courbes ---------------------------------------------------------------------------------- */

  /* Des suites de valeurs, par nom, au fil des pas. Passé `most`, une valeur sur deux est ôtée, et une
     sur deux gardée ensuite ; la dernière y est toujours. */
  function trace(names, most = 400) {
    const rows = ["steps", ...names];
    const kept = Object.fromEntries(rows.map((name) => [name, []]));
    let [count, stride, isExtra] = [0, 1, false];
    kept.push = (step, values) => {
      if (isExtra) for (const name of rows) kept[name].pop();
      for (const name of rows) kept[name].push(name === "steps" ? step : values[name]);
      isExtra = count % stride !== 0;
      count += 1;
      if (isExtra || kept.steps.length <= most) return;
      for (const name of rows) kept[name] = kept[name].filter((_, k) => k % 2 === 0);
      stride *= 2;
    };
    return kept;
  }

  /* Des courbes { valeurs, couleur, tirets } selon les pas ; `level`, un repère horizontal, `marker`, un
     pas à montrer. */
  function curves(ctx, width, height, steps, lines, { paper, ink, faint },
    { level = null, unit = "pas", marker = null } = {}) {
    clear(ctx, width, height, { paper });
    const values = lines.flatMap((line) => line.values).filter(Number.isFinite);
    const top = Math.max(level ? level.value * 1.15 : 0, ...values, 1e-3);
    const last = Math.max(1, steps[steps.length - 1] || 1);
    const to = plane(width, height, { low: 0, high: last }, { low: 0, high: top },
      { left: 40, right: 8, top: 8, bottom: 22 });
    ctx.font = "12px sans-serif";
    ctx.fillStyle = ink;
    ctx.strokeStyle = faint;
    ctx.lineWidth = 1;
    ctx.textAlign = "right";
    for (const share of [0, 0.5, 1]) {
      ctx.fillText(french(top * share, top < 1 ? 2 : top < 100 ? 1 : 0), to.left - 5, to.y(top * share) + 4);
      ctx.strokeRect(to.left, to.y(top * share), to.right - to.left, 0);
    }
    ctx.fillText(`${unit} ${last.toLocaleString("fr-FR")}`, to.right, height - 6);
    if (level) {
      ctx.setLineDash([2, 3]);
      ctx.strokeStyle = ink;
      ctx.strokeRect(to.left, to.y(level.value), to.right - to.left, 0);
      ctx.fillText(level.name, to.right - 2, to.y(level.value) - 4);
    }
    if (marker !== null) {
      ctx.fillStyle = ink;
      ctx.globalAlpha = 0.35;
      ctx.fillRect(to.x(marker) - 2, to.top, 4, to.bottom - to.top);
      ctx.globalAlpha = 1;
    }
    for (const line of lines) {
      ctx.strokeStyle = line.color;
      ctx.lineWidth = 2;
      ctx.setLineDash(line.dash);
      ctx.beginPath();
      line.values.forEach((value, k) => ctx.lineTo(to.x(steps[k]), to.y(Math.max(0, value))));
      ctx.stroke();
    }
    ctx.setLineDash([]);
  }

  /* Trace où des valeurs, données aux centres d'une grille carrée de l'étendue `range`, passent par
     `level` : dans chaque case, un segment entre les côtés qu'il traverse. */
  function contour(ctx, to, values, count, { low, high }, level) {
    const at = (k) => low + ((high - low) * (k + 0.5)) / count;
    ctx.beginPath();
    for (let row = 0; row + 1 < count; row++) {
      for (let column = 0; column + 1 < count; column++) {
        const corners = [[0, 0], [1, 0], [1, 1], [0, 1]].map(([i, j]) =>
          [at(column + i), at(row + j), values[(row + j) * count + column + i] - level]);
        const crossed = corners.flatMap(([x0, y0, v0], k) => {
          const [x1, y1, v1] = corners[(k + 1) % 4];
          if (v0 > 0 === v1 > 0) return [];
          const share = v0 / (v0 - v1);
          return [[to.x(x0 + share * (x1 - x0)), to.y(y0 + share * (y1 - y0))]];
        });
        for (let k = 0; k + 1 < crossed.length; k += 2) {
          ctx.moveTo(...crossed[k]);
          ctx.lineTo(...crossed[k + 1]);
        }
      }
    }
    ctx.stroke();
  }

  /* Un trait fléché, en pixels. */
  function arrow(ctx, [x0, y0], [x1, y1], head = 7) {
    const turn = Math.atan2(y1 - y0, x1 - x0);
    ctx.beginPath();
    ctx.moveTo(x0, y0);
    ctx.lineTo(x1, y1);
    for (const side of [-1, 1]) {
      ctx.moveTo(x1, y1);
      ctx.lineTo(x1 - head * Math.cos(turn + side * 0.45), y1 - head * Math.sin(turn + side * 0.45));
    }
    ctx.stroke();
  }

  /* --- des barres, en balises : elles se lisent aussi à voix haute -------------------------------- */

  /* Remplit une liste de barres { name, share, text, marked } ; `share` dans [0, 1]. */
  function bars(list, items) {
    const { element } = root.controls;
    list.replaceChildren(...items.map(({ name, share, text, marked }) =>
      element("li", { class: marked ? "demo-bar demo-marked" : "demo-bar" },
        element("span", {}, name),
        element("span", { class: "demo-track", "aria-hidden": "true" },
          element("span", { style: `width: ${(100 * share).toFixed(1)}%` })),
        element("span", {}, text))));
  }

  root.drawing = {
    palette, fitted, clear, rgb, heatImage, pixels, plane, axes, trace, curves, contour,
    arrow, bars,
  };
}

installDrawing(globalThis);
