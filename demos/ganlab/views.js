/* Les dessins : chacun reçoit un contexte de canevas, son côté et des tableaux. */

function installViews(root) {
  "use strict";

  const { clear, heatImage } = root.drawing;

  const MARGIN = 1.15; // demi-côté du plan montré : un peu plus que le carré [-1, 1]²

  const place = (value, side) => ((value / MARGIN + 1) / 2) * side;
  const at = (points, n, side) => [place(points[2 * n], side), place(-points[2 * n + 1], side)];

  function frameSquare(ctx, side, palette) {
    ctx.strokeStyle = palette.faint;
    ctx.lineWidth = 1;
    const low = place(-1, side);
    ctx.strokeRect(low, low, side - 2 * low, side - 2 * low);
  }

  /* Vrais points, des cercles vides ; ceux de G, des carrés pleins ; ce que D leur envoie. */
  function cloud(ctx, side, { real, drawn, pushes }, palette) {
    clear(ctx, side, side, palette);
    frameSquare(ctx, side, palette);
    ctx.strokeStyle = palette.real;
    ctx.lineWidth = 1.2;
    ctx.beginPath();
    for (let n = 0; n < real.length / 2; n++) {
      const [x, y] = at(real, n, side);
      ctx.moveTo(x + 2.4, y);
      ctx.arc(x, y, 2.4, 0, 7);
    }
    ctx.stroke();
    if (pushes) arrows(ctx, side, drawn, pushes, palette);
    ctx.fillStyle = palette.drawn;
    for (let n = 0; n < drawn.length / 2; n++) {
      const [x, y] = at(drawn, n, side);
      ctx.fillRect(x - 2, y - 2, 4, 4);
    }
  }

  /* La plus longue flèche a la même taille à chaque image : seuls sens et rapports se lisent. */
  function arrows(ctx, side, drawn, pushes, palette) {
    let longest = 1e-12;
    for (let k = 0; k < pushes.length; k += 2) {
      longest = Math.max(longest, Math.hypot(pushes[k], pushes[k + 1]));
    }
    const scale = side / 9 / longest;
    ctx.strokeStyle = palette.ink;
    ctx.lineWidth = 0.7;
    ctx.beginPath();
    for (let n = 0; n < drawn.length / 2; n += 2) {
      const [x, y] = at(drawn, n, side);
      ctx.moveTo(x, y);
      ctx.lineTo(x + scale * pushes[2 * n], y - scale * pushes[2 * n + 1]);
    }
    ctx.stroke();
  }

  /* --- cartes de chaleur ---------------------------------------------------------------------- */

  function heat(ctx, side, values, palette, { points = null, smooth = true, low = 0, high = 1 } = {}) {
    clear(ctx, side, side, palette);
    const edge = place(-1, side);
    const image = heatImage(values, Math.round(Math.sqrt(values.length)), low, high, palette);
    ctx.imageSmoothingEnabled = smooth;
    ctx.drawImage(image, edge, edge, side - 2 * edge, side - 2 * edge);
    frameSquare(ctx, side, palette);
    if (!points) return;
    ctx.fillStyle = palette.ink;
    for (let n = 0; n < points.length / 2; n += 2) {
      const [x, y] = at(points, n, side);
      ctx.fillRect(x - 1, y - 1, 2, 2);
    }
  }

  /* La réponse d'un neurone, extraite de celles de sa couche [points, neurones]. */
  function neuronValues(layer, neuron, neurons) {
    const values = new Float32Array(layer.length / neurons);
    let reach = 1e-9;
    for (let k = 0; k < values.length; k++) {
      values[k] = layer[k * neurons + neuron];
      reach = Math.max(reach, Math.abs(values[k]));
    }
    return { values, reach };
  }

  function thumbnail(ctx, layer, neuron, neurons, palette) {
    const { values, reach } = neuronValues(layer, neuron, neurons);
    const image = heatImage(values, Math.sqrt(values.length), -reach, reach, palette);
    ctx.drawImage(image, 0, 0, ctx.canvas.width, ctx.canvas.height);
  }

  /* --- l'image d'une grille par G -------------------------------------------------------------- */

  function gridImage(ctx, side, grid, latentDim, palette) {
    clear(ctx, side, side, palette);
    frameSquare(ctx, side, palette);
    if (latentDim === 1) curve(ctx, side, grid, palette);
    else quads(ctx, side, grid, palette);
  }

  function curve(ctx, side, grid, palette) {
    ctx.strokeStyle = palette.drawn;
    ctx.lineWidth = 2;
    ctx.beginPath();
    for (let n = 0; n < grid.length / 2; n++) ctx.lineTo(...at(grid, n, side));
    ctx.stroke();
    ctx.fillStyle = palette.ink; // des repères de même probabilité : serrés, beaucoup de points
    for (let n = 0; n < grid.length / 2; n += 6) {
      const [x, y] = at(grid, n, side);
      ctx.fillRect(x - 1.5, y - 1.5, 3, 3);
    }
  }

  /* Une case est d'autant plus foncée que G l'a rétrécie ; retournée, elle prend l'autre couleur. */
  function quads(ctx, side, grid, palette) {
    const count = Math.round(Math.sqrt(grid.length / 2));
    const cells = [];
    for (let i = 0; i + 1 < count; i++) {
      for (let j = 0; j + 1 < count; j++) {
        const ranks = [[i, j], [i, j + 1], [i + 1, j + 1], [i + 1, j]].map(([a, b]) => a * count + b);
        const corners = ranks.map((rank) => [grid[2 * rank], grid[2 * rank + 1]]);
        cells.push({ ranks, area: signedArea(corners) });
      }
    }
    const turned = cells.reduce((sum, cell) => sum + cell.area, 0) < 0 ? -1 : 1;
    for (const { ranks, area } of cells) {
      const density = 1 / (cells.length * Math.max(Math.abs(area), 1e-4)); // par unité de surface
      ctx.globalAlpha = Math.min(0.85, 0.12 + 0.13 * Math.log1p(density));
      ctx.fillStyle = area * turned > 0 ? palette.drawn : palette.real;
      ctx.strokeStyle = palette.ink;
      ctx.lineWidth = 0.4;
      ctx.beginPath();
      for (const rank of ranks) ctx.lineTo(...at(grid, rank, side));
      ctx.closePath();
      ctx.fill();
      ctx.globalAlpha = 0.6;
      ctx.stroke();
    }
    ctx.globalAlpha = 1;
  }

  function signedArea([a, b, c, d]) {
    return ((c[0] - a[0]) * (d[1] - b[1]) - (d[0] - b[0]) * (c[1] - a[1])) / 2;
  }

  root.views = { MARGIN, cloud, heat, neuronValues, thumbnail, gridImage };
}

installViews(globalThis);
