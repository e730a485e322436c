// Time series of one place as a drawing of lines (SVG): one line per run, a mark at the shown step, a click goes there.
import { moment, written } from './words.js';

export const LINES = ['#14606e', '#b8452f']; // first and second run
const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [420, 176, 52, 410, 10, 148];
const NS = 'http://www.w3.org/2000/svg';
const draw = (parent, tag, attributes, text) => {
  const made = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
};

// Round values between the ends, two to five of them.
function ticks(low, high) {
  const rough = (high - low) / 3;
  const power = 10 ** Math.floor(Math.log10(rough));
  const size = [1, 2, 5, 10].map((k) => k * power).find((s) => s >= rough);
  const found = [];
  for (let v = Math.ceil(low / size) * size; v <= high + 1e-9 * size; v += size) found.push(Math.abs(v) < 1e-9 * size ? 0 : v);
  return found;
}

export function drawChart(svg, { steps, lines, dates, now, go }) {
  svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
  svg.replaceChildren();
  const all = lines.flatMap((line) => [...line]).filter(Number.isFinite);
  if (!all.length) all.push(0);
  let [low, high] = [all.reduce((a, b) => Math.min(a, b)), all.reduce((a, b) => Math.max(a, b))];
  if (low > 0 && low < 0.5 * high) low = 0;
  if (high < 0 && high > 0.5 * low) high = 0;
  if (high - low < 1e-9 * Math.max(Math.abs(high), 1e-9)) [low, high] = [low - 0.5 * (Math.abs(low) || 1), high + 0.5 * (Math.abs(high) || 1)];
  const [first, last] = [dates[0].getTime(), Math.max(dates.at(-1).getTime(), dates[0].getTime() + 1)];
  const px = (date) => LEFT + ((RIGHT - LEFT) * (date - first)) / (last - first);
  const py = (v) => BOTTOM - ((BOTTOM - TOP) * (v - low)) / (high - low);
  for (const v of ticks(low, high)) {
    draw(svg, 'line', { x1: LEFT, x2: RIGHT, y1: py(v), y2: py(v), class: v === 0 ? 'zero' : 'grid' });
    draw(svg, 'text', { x: LEFT - 6, y: py(v) + 3.5, 'text-anchor': 'end' }, written(v));
  }
  const days = (last - first) / 864e5;
  [0, 0.5, 1].forEach((share, i) => {
    const date = new Date(first + share * (last - first));
    const options = days > 2 ? { day: 'numeric', month: 'short' } : { hour: '2-digit', minute: '2-digit' };
    draw(svg, 'text', { x: px(date), y: HEIGHT - 10, 'text-anchor': ['start', 'middle', 'end'][i] }, moment(date, options));
  });
  lines.forEach((line, r) => {
    let path = '';
    let pen = 'M';
    line.forEach((v, i) => {
      path += Number.isFinite(v) ? `${pen}${px(dates[i]).toFixed(1)} ${py(v).toFixed(1)}` : '';
      pen = Number.isFinite(v) ? 'L' : 'M';
    });
    if (r === 0 && lines.length === 1 && low === 0 && all.length === line.length) {
      draw(svg, 'path', { d: `${path}L${px(dates[line.length - 1])} ${BOTTOM}L${LEFT} ${BOTTOM}Z`, class: 'area' });
    }
    draw(svg, 'path', { d: path, class: 'line', stroke: LINES[r] });
  });
  draw(svg, 'line', { x1: px(now), x2: px(now), y1: TOP, y2: BOTTOM, class: 'now' });
  svg.onclick = (event) => {
    const box = svg.getBoundingClientRect();
    const at = first + ((((event.clientX - box.left) / box.width) * WIDTH - LEFT) / (RIGHT - LEFT)) * (last - first);
    const nearest = dates.reduce((best, date, i) => (Math.abs(date - at) < Math.abs(dates[best] - at) ? i : best), 0);
    go(steps[nearest]);
  };
}
