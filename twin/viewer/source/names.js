// Names on the map: places where the run has them, and its nature areas. A name that would cover another is left out.
import { make } from './panel.js';

// { text, x, y [local m], kind } of a run, the most telling first.
export async function namesOf(run, stage) {
  const found = [];
  if (run.has('place_name')) {
    const [texts, x, y] = await Promise.all(['place_name', 'place_x', 'place_y'].map((n) => run.stored(n)));
    texts.forEach((text, i) => found.push({ text, x: x[i] - stage.origin[0], y: y[i] - stage.origin[1], kind: 'place' }));
  }
  if (['area_name', 'area_cell', 'area_index'].every((n) => run.has(n)) && stage.elevation) {
    const [texts, cells, areas] = await Promise.all(['area_name', 'area_cell', 'area_index'].map((n) => run.stored(n)));
    const sums = texts.map(() => [0, 0, 0]);
    cells.forEach((cell, i) => {
      const sum = sums[areas[i]];
      sum[0] += stage.x0 + (cell % stage.nx) * stage.cell;
      sum[1] += stage.y0 + Math.floor(cell / stage.nx) * stage.cell;
      sum[2]++;
    });
    const order = texts.map((_, i) => i).filter((i) => sums[i][2]).sort((a, b) => sums[b][2] - sums[a][2]);
    for (const i of order) found.push({ text: texts[i], x: sums[i][0] / sums[i][2], y: sums[i][1] / sums[i][2], kind: 'nature' });
  }
  return found.map((name) => ({ ...name, text: String(name.text).trim(), z: stage.ground(name.x, name.y) })).filter((name) => name.text);
}

// Puts the names where they are seen now; returns those shown, for a picture.
export function placeNames(root, names, stage) {
  if (root.children.length !== names.length || root.names !== names) {
    root.replaceChildren(...names.map(({ text, kind }) => make('span', text, { className: kind })));
    root.names = names;
    for (const [i, name] of names.entries()) [name.width, name.height] = [root.children[i].offsetWidth, root.children[i].offsetHeight];
  }
  const { clientWidth, clientHeight } = stage.renderer.domElement;
  const taken = [];
  return names.filter((name, i) => {
    const [px, py, depth] = stage.pixel(name.x, name.y, name.z);
    const box = [px - name.width / 2, py - name.height / 2, px + name.width / 2, py + name.height / 2];
    const free = depth < 1 && px > 0 && py > 0 && px < clientWidth && py < clientHeight
      && !taken.some((b) => box[0] < b[2] + 6 && box[2] > b[0] - 6 && box[1] < b[3] + 3 && box[3] > b[1] - 3);
    const { style } = root.children[i];
    style.visibility = free ? 'visible' : 'hidden';
    if (free) {
      taken.push(box);
      style.transform = `translate(${box[0].toFixed(1)}px, ${box[1].toFixed(1)}px)`;
      name.at = [px, py];
    }
    return free;
  });
}
