// The page: opens one run (or two), keeps one clock for all layers, and shows what lies under the pointer.
import { SCALES, spread, written } from './colours.js';
import { Stage } from './scene.js';
import { WORDS } from './words.js';

const begun = performance.now();
const query = new URLSearchParams(location.search);
const state = new URLSearchParams(location.hash.slice(1));
let language = state.get('lang') || (navigator.language.startsWith('nl') ? 'nl' : 'en');
const word = (key, given = {}) => (WORDS[language][key] ?? key).replace(/\{(\w)\}/g, (_, k) => given[k]);
const $ = (id) => document.getElementById(id);
const make = (tag, text, more = {}) => Object.assign(document.createElement(tag), text === undefined ? {} : { textContent: text }, more);

// UDUNITS as a person writes it: "ug m-3" is µg/m³, a number without unit has none.
const unit = (text = '') =>
  text
    .replace(/^1$/, '')
    .replace(/^h-1$/, '1/h')
    .replace(/\bug\b/g, 'µg')
    .replace(/ ([A-Za-z]+)-(\d)/g, (_, name, power) => `/${name}${{ 1: '', 2: '²', 3: '³' }[power] ?? power}`);
const bracketed = (item) => (item.units ? ` [${item.units}]` : '');

const worker = new Worker(window.__WORKER_URL || 'worker.js');
const waiting = new Map();
let serial = 0;
worker.onmessage = ({ data }) => {
  const { resolve, reject } = waiting.get(data.serial);
  waiting.delete(data.serial);
  if (data.error === undefined) resolve(data.result);
  else reject(new Error(data.error));
};
const ask = (operation, given) =>
  new Promise((resolve, reject) => {
    waiting.set(++serial, { resolve, reject });
    worker.postMessage({ serial, operation, given });
  });

const stage = new Stage($('view'));
const runs = []; // first run, and the second where two are compared
const layers = {}; // name -> { items, item, on, opacity, locked, ranges, values }
const cache = new Map(); // "run/name/step" -> values, oldest first
const CACHE_BYTES = 96e6;
let cached = 0;
let step = 0;
let steps = 0;
let origin = [0, 0];
let difference = false;
let relief = 1;
let playing = null;
let geometry = null; // pieces for picking
let chartAt = null;
const stats = { steps: [] };
window.twin = { stats, ready: false };

const LOOKS = {
  field: { scale: 'sand', opacity: 1, first: 'n_deposition' },
  roads: { scale: 'inferno', opacity: 1, thin: 0.8, thick: 6, order: 2, first: 'road_flow' },
  branches: { scale: 'viridis', opacity: 1, thin: 0.6, thick: 3.5, order: 1, first: 'branch_loading' },
  buses: { scale: 'viridis', opacity: 1, order: 4, first: 'bus_load' },
};
const POSITION = /(_[xyz]|vertex_start)$/; // positions are no property to colour by
const LINES = ['#14606e', '#b2182b']; // first and second run in a chart
const PLACES = { 'network edge': 'roads', 'power_network edge': 'branches', 'power_network node': 'buses' };

function fail(error) {
  const [kind, ...rest] = String(error.message ?? error).split(':');
  const known = { filter: 'errorFilter', foreign: 'errorForeign', layout: 'errorLayout', province: 'errorProvince' }[kind];
  $('message').className = 'error';
  $('message').textContent = known ? word(known, { x: rest.join(':') }) : word('errorOther', { x: error.message ?? error });
  window.twin.error = $('message').textContent;
}

async function openRun(id, source) {
  const run = await ask('open', { id, source });
  run.id = id;
  return run;
}

async function read(run, name, ranges) {
  return ask('read', { id: run.id, name, ranges });
}

// Values of one item at one step of one run; parts (vehicle classes) are added.
async function fetchValues(run, item, at) {
  if (item.derive) return item.derive();
  const parts = await Promise.all(
    item.parts.map(async (name) => {
      const key = `${run.id}/${name}/${item.still ? '' : at}`;
      if (cache.has(key)) {
        const kept = cache.get(key);
        cache.delete(key);
        cache.set(key, kept);
        return kept;
      }
      const { shape } = run.variables[name];
      const values = await read(run, name, item.still ? undefined : [[at, at + 1], ...shape.slice(1).map((n) => [0, n])]);
      cache.set(key, values);
      cached += values.byteLength;
      for (const [old, held] of cache) {
        if (cached <= CACHE_BYTES) break;
        cache.delete(old);
        cached -= held.byteLength;
      }
      return values;
    }),
  );
  if (parts.length === 1) return parts[0];
  const sum = Float32Array.from(parts[0]);
  for (const part of parts.slice(1)) for (let i = 0; i < sum.length; i++) sum[i] += part[i];
  return sum;
}

async function valuesAt(item, at) {
  const first = await fetchValues(runs[0], item, at);
  if (!difference || item.still) return first;
  const second = await fetchValues(runs[1], item, at);
  const change = new Float32Array(first.length);
  for (let i = 0; i < change.length; i++) change[i] = second[i] - first[i];
  return change;
}

function itemsOf(run) {
  const found = { field: [], roads: [], branches: [], buses: [] };
  const joined = {};
  const [ny, nx] = run.variables.elevation?.shape ?? [0, 0];
  for (const [name, { shape, attrs, text }] of Object.entries(run.variables)) {
    if (text) continue;
    const item = { name, label: attrs.long_name || name, units: unit(attrs.units), parts: [name], rank: shape.length };
    const place = PLACES[`${attrs.mesh} ${attrs.location}`];
    if (attrs.result && shape.length === 3) found.field.push(item);
    else if (attrs.result && place && shape.length === 2) {
      found[place].push(item);
      if (attrs.declared_as) (joined[attrs.declared_as] ??= { place, items: [] }).items.push(item);
    } else if (!attrs.result && place && shape.length === 1 && !POSITION.test(name)) {
      found[place].push({ ...item, still: true });
    } else if (!attrs.result && shape.length === 2 && shape[0] === ny && shape[1] === nx) found.field.push({ ...item, still: true });
  }
  for (const [name, { place, items }] of Object.entries(joined)) {
    if (items.length < 2) continue;
    const label = `${items[0].label.replace(/,[^,]*$/, '')}, ${word('all')}`;
    found[place].unshift({ ...items[0], name, label, parts: items.map((i) => i.name) });
  }
  return found;
}

async function addAreas(run, items) {
  const names = ['area_cell', 'area_index', 'area_critical_load'];
  if (names.some((n) => !run.variables[n]?.shape[0])) return;
  const [cells, areas, loads] = await Promise.all(names.map((n) => read(run, n)));
  const count = run.variables.elevation.shape.reduce((a, b) => a * b);
  const critical = new Float32Array(count).fill(NaN);
  cells.forEach((cell, i) => (critical[cell] = loads[areas[i]]));
  const units = unit(run.variables.area_critical_load.attrs.units);
  items.push({ name: 'critical_load', label: word('critical_load'), units, still: true, parts: [], derive: () => critical });
  if (!run.variables.background_deposition) return;
  const background = await read(run, 'background_deposition');
  const above = critical.map((load, i) => background[i] - load);
  items.push({ name: 'exceedance', label: word('exceedance'), units, still: true, parts: [], derive: () => above, diverging: true });
}

// Geometry of links and lines as pieces of six numbers, lifted to the ground where it is higher.
async function readRoads(run) {
  const has = (n) => Boolean(run.variables[n]);
  if (!has('network_edge_nodes')) return null;
  const [edges, nx, ny] = await Promise.all(['network_edge_nodes', 'network_node_x', 'network_node_y'].map((n) => read(run, n)));
  const nz = has('network_node_z') ? await read(run, 'network_node_z') : null;
  const links = edges.length / 2;
  let start = null, vx = null, vy = null;
  if (has('road_vertex_x')) [start, vx, vy] = await Promise.all(['road_vertex_start', 'road_vertex_x', 'road_vertex_y'].map((n) => read(run, n)));
  const counts = (l) => (start ? (l + 1 < links ? start[l + 1] : vx.length) - start[l] : 2);
  let total = 0;
  for (let l = 0; l < links; l++) total += Math.max(0, counts(l) - 1);
  const pieces = new Float32Array(6 * total);
  const owner = new Int32Array(total);
  let k = 0;
  for (let l = 0; l < links; l++) {
    const n = counts(l);
    const [a, b] = [edges[2 * l], edges[2 * l + 1]];
    const at = (i) => (start ? [vx[start[l] + i], vy[start[l] + i]] : i ? [nx[b], ny[b]] : [nx[a], ny[a]]);
    for (let i = 0; i + 1 < n; i++, k++) {
      for (const end of [0, 1]) {
        const [px, py] = at(i + end);
        const share = (i + end) / (n - 1);
        const along = nz ? nz[a] + (nz[b] - nz[a]) * share : NaN;
        const ground = stage.ground(px - origin[0], py - origin[1]);
        const z = (Number.isFinite(along) ? Math.max(along, ground) : ground) + 1;
        pieces.set([px - origin[0], py - origin[1], z], 6 * k + 3 * end);
      }
      owner[k] = l;
    }
  }
  return { pieces, owner, count: links };
}

async function readPower(run) {
  if (!run.variables.bus_x) return null;
  const [x, y] = await Promise.all(['bus_x', 'bus_y'].map((n) => read(run, n)));
  const points = new Float32Array(3 * x.length);
  for (let i = 0; i < x.length; i++) {
    const [px, py] = [x[i] - origin[0], y[i] - origin[1]];
    points.set([px, py, stage.ground(px, py) + 3], 3 * i);
  }
  const edges = run.variables.power_edge_nodes ? await read(run, 'power_edge_nodes') : new Int32Array(0);
  const count = edges.length / 2;
  const pieces = new Float32Array(6 * count);
  for (let k = 0; k < count; k++) {
    for (const end of [0, 1]) pieces.set(points.subarray(3 * edges[2 * k + end], 3 * edges[2 * k + end] + 3), 6 * k + 3 * end);
  }
  return { points, branches: { pieces, owner: Int32Array.from({ length: count }, (_, i) => i), count } };
}

// Buckets of one kilometre-like cells, so that a pointer looks at a few pieces and not at all.
function buckets(pieces, size) {
  const table = new Map();
  for (let k = 0; 6 * k < pieces.length; k++) {
    const p = pieces.subarray(6 * k, 6 * k + 6);
    const [i0, i1] = [Math.min(p[0], p[3]), Math.max(p[0], p[3])].map((v) => Math.floor(v / size));
    const [j0, j1] = [Math.min(p[1], p[4]), Math.max(p[1], p[4])].map((v) => Math.floor(v / size));
    for (let i = i0; i <= i1; i++) {
      for (let j = j0; j <= j1; j++) {
        const key = i * 65536 + j;
        if (!table.has(key)) table.set(key, []);
        table.get(key).push(k);
      }
    }
  }
  return { table, size, pieces };
}

function nearest({ table, size, pieces }, px, py, reach) {
  let best = -1;
  let least = reach;
  const [i, j] = [Math.floor(px / size), Math.floor(py / size)];
  for (let a = i - 1; a <= i + 1; a++) {
    for (let b = j - 1; b <= j + 1; b++) {
      for (const k of table.get(a * 65536 + b) ?? []) {
        const [ax, ay, , bx, by] = pieces.subarray(6 * k, 6 * k + 6);
        const [vx, vy] = [bx - ax, by - ay];
        const share = Math.min(1, Math.max(0, ((px - ax) * vx + (py - ay) * vy) / (vx * vx + vy * vy || 1)));
        // a link lies to the right of its own direction: of two opposite ones, take the pointer's side
        const left = vx * (py - ay) - vy * (px - ax) > 0 ? 1e-3 * reach : 0;
        const distance = Math.hypot(px - ax - share * vx, py - ay - share * vy) + left;
        if (distance < least) [least, best] = [distance, k];
      }
    }
  }
  return best;
}

function under(px, py) {
  const met = stage.meet(px, py);
  if (!met) return null;
  const [x, y] = met;
  const found = { x: x + origin[0], y: y + origin[1], nap: NaN, hits: [] };
  const reach = stage.camera.position.distanceTo(stage.controls.target) * 0.008;
  if (stage.elevation) {
    const [i, j] = [Math.round((x - stage.x0) / stage.cell), Math.round((y - stage.y0) / stage.cell)];
    if (i >= 0 && j >= 0 && i < stage.nx && j < stage.ny) {
      found.nap = stage.elevation[j * stage.nx + i];
      found.hits.push({ layer: 'field', index: j * stage.nx + i, place: [j, i], id: `${i}, ${j}`, kind: word('cell') });
    }
  }
  for (const [layer, kind] of [['roads', 'link'], ['branches', 'branch']]) {
    if (!geometry[layer] || !layers[layer]?.on) continue;
    const k = nearest(geometry[layer].buckets, x, y, reach);
    if (k >= 0) found.hits.push({ layer, index: geometry[layer].owner[k], kind: word(kind) });
  }
  if (geometry.points && layers.buses?.on) {
    let [best, least] = [-1, reach * 1.2];
    for (let i = 0; 3 * i < geometry.points.length; i++) {
      const distance = Math.hypot(geometry.points[3 * i] - x, geometry.points[3 * i + 1] - y);
      if (distance < least) [least, best] = [distance, i];
    }
    if (best >= 0) found.hits.push({ layer: 'buses', index: best, kind: word('bus') });
  }
  for (const hit of found.hits) {
    hit.place ??= [hit.index];
    hit.id ??= String(geometry.ids[hit.layer]?.[hit.index] ?? hit.index);
    const { item, values } = layers[hit.layer];
    Object.assign(hit, { label: item?.label, units: item?.units, value: values?.[hit.index] });
  }
  return found;
}

function showTip(event) {
  const tip = $('tip');
  const found = event && under(event.clientX, event.clientY);
  tip.hidden = !found || !found.hits.length;
  if (tip.hidden) return;
  tip.replaceChildren(make('div', `RD ${found.x.toFixed(0)}, ${found.y.toFixed(0)} · NAP ${Number.isFinite(found.nap) ? found.nap.toFixed(2) : '–'} m`));
  for (const hit of found.hits) {
    const line = make('div', `${hit.kind} ${hit.id}`);
    if (hit.label) line.append(make('br'), `${hit.label}: `, make('b', `${difference ? 'Δ ' : ''}${Number.isFinite(hit.value) ? written(hit.value) : word('missing')}\u00a0${hit.units}`));
    tip.append(line);
  }
  tip.style.left = `${Math.min(event.clientX + 16, innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8)}px`;
}

// Time series of the thing nearest to the pointer, over at most 240 steps.
async function showChart(hit) {
  const { item } = layers[hit.layer];
  if (!item || item.still) return;
  chartAt = hit;
  const stride = Math.ceil(steps / 240);
  const at = Array.from({ length: Math.ceil(steps / stride) }, (_, i) => i * stride);
  const lines = await Promise.all(
    runs.map(async (run) => {
      const parts = await Promise.all(item.parts.map((name) => ask('series', { id: run.id, name, steps: at, index: hit.place })));
      return parts[0].map((_, i) => parts.reduce((sum, part) => sum + part[i], 0));
    }),
  );
  const panel = $('chart');
  panel.hidden = false;
  panel.querySelector('h2').textContent = `${item.label}${bracketed(item)} · ${hit.kind} ${hit.id}`;
  const names = runs.map((run, r) => make('span', `${r ? ' · ' : ''}${run.attrs.scenario || run.attrs.title}`));
  names.forEach((name, r) => (name.style.color = LINES[r]));
  panel.querySelector('p').replaceChildren(...(runs.length > 1 ? names : []), stride > 1 ? ` ${word('sampled', { n: stride })}` : '');
  const canvas = panel.querySelector('canvas');
  const ratio = window.devicePixelRatio || 1;
  [canvas.width, canvas.height] = [372 * ratio, 150 * ratio];
  const pen = canvas.getContext('2d');
  pen.scale(ratio, ratio);
  const all = lines.flatMap((line) => [...line]).filter(Number.isFinite);
  let [low, high] = [Math.min(0, ...all), Math.max(...all, 1e-30)];
  if (low === 0 && Math.min(...all) > 0.5 * high) low = Math.min(...all) - (high - Math.min(...all)) * 0.1;
  if (high - low < 1e-29) high = low + 1;
  const [left, right, top, bottom] = [52, 364, 8, 128];
  const px = (i) => left + ((right - left) * i) / Math.max(1, at.length - 1);
  const py = (v) => bottom - ((bottom - top) * (v - low)) / (high - low);
  pen.font = '11px sans-serif';
  pen.fillStyle = '#5b6875';
  pen.strokeStyle = '#d6dce2';
  for (const share of [0, 0.5, 1]) {
    const value = low + share * (high - low);
    pen.beginPath();
    pen.moveTo(left, py(value));
    pen.lineTo(right, py(value));
    pen.stroke();
    pen.textAlign = 'right';
    pen.fillText(written(value), left - 5, py(value) + 4);
  }
  pen.textAlign = 'left';
  pen.fillText(stamp(at[0]).slice(0, 10), left, 144);
  pen.textAlign = 'right';
  pen.fillText(stamp(at.at(-1)).slice(0, 10), right, 144);
  lines.forEach((line, r) => {
    pen.strokeStyle = LINES[r];
    pen.lineWidth = 1.6;
    pen.beginPath();
    line.forEach((v, i) => (Number.isFinite(v) ? pen.lineTo(px(i), py(v)) : pen.moveTo(px(i + 1), bottom)));
    pen.stroke();
  });
  const now = px(step / stride);
  pen.strokeStyle = '#1b2733';
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(now, top);
  pen.lineTo(now, bottom);
  pen.stroke();
  window.twin.series = lines.map((line) => [...line]);
}

function stamp(at) {
  const { t0, time } = runs[0];
  return new Date(t0 + time[at] * 1000).toISOString().slice(0, 16).replace('T', ' ');
}

let wanted = 0;
async function setStep(at) {
  const mine = ++wanted;
  const from = performance.now();
  step = Math.min(Math.max(at, 0), steps - 1);
  const active = Object.entries(layers).filter(([, layer]) => layer.on && layer.item);
  const values = await Promise.all(active.map(([, layer]) => valuesAt(layer.item, step)));
  if (mine !== wanted) return; // a later step was asked meanwhile
  active.forEach(([name, layer], i) => {
    layer.values = values[i];
    const key = `${layer.item.name}${difference ? ' difference' : ''}`;
    if (!layer.locked || !layer.ranges.has(key)) layer.ranges.set(key, spread([values[i]], difference && !layer.item.still));
    layer.range = layer.ranges.get(key);
    layer.scale = (difference && !layer.item.still) || layer.item.diverging ? 'difference' : LOOKS[name].scale;
    if (layer.item.diverging) layer.range = spread([values[i]], true);
    stage.show(name, values[i], layer.scale, layer.range);
    cutLayer(name);
  });
  for (const [name, layer] of Object.entries(layers)) if (!layer.item && stage.layers[name]) stage.show(name, null, LOOKS[name].scale, [0, 1]);
  $('step').value = step;
  $('time').textContent = `${stamp(step)} UTC`;
  drawLegend();
  stage.drawNow();
  stats.steps.push(performance.now() - from);
  keepState();
}

// Hide what lies below the chosen share of the scale.
function cutLayer(name) {
  const { from, range } = layers[name];
  stage.layers[name].shader.uniforms.cut.value = from > 0 && range ? range[0] + from * (range[1] - range[0]) : -1e38;
}

// After the first picture: a scale that fits the whole run, from a few steps.
async function lockScales() {
  const sample = [...new Set([0, 0.25, 0.5, 0.75, 1].map((s) => Math.round(s * (steps - 1))))];
  for (const layer of Object.values(layers)) {
    if (!layer.on || !layer.item || layer.item.still || !layer.locked) continue;
    const arrays = [];
    for (const at of sample) arrays.push(await valuesAt(layer.item, at));
    layer.ranges.set(`${layer.item.name}${difference ? ' difference' : ''}`, spread(arrays, difference));
  }
  await setStep(step);
}

function drawLegend() {
  const boxes = Object.entries(layers)
    .filter(([, layer]) => layer.on && layer.item && layer.range)
    .map(([, layer]) => {
      const box = make('div', undefined, { className: 'scale' });
      box.append(make('b', layer.item.label), make('span', bracketed(layer.item), { className: 'unit' }));
      if (difference && !layer.item.still) box.append(make('div', word('difference'), { className: 'unit' }));
      const bar = make('div', undefined, { className: 'bar' });
      bar.style.background = SCALES[layer.scale].css;
      const ends = make('div', undefined, { className: 'ends' });
      ends.append(make('span', written(layer.range[0])), make('span', written((layer.range[0] + layer.range[1]) / 2)), make('span', written(layer.range[1])));
      box.append(bar, ends);
      return box;
    });
  const grey = make('div', undefined, { className: 'scale unit' });
  grey.append(make('span', undefined, { className: 'grey' }), word('missing'));
  $('legend').replaceChildren(...boxes, grey);
}

function drawPanels() {
  document.documentElement.lang = language;
  const { attrs } = runs[0];
  document.title = `${attrs.title} · Province Twin`;
  $('title').textContent = attrs.title;
  $('about').textContent = [attrs.scenario && `scenario ${attrs.scenario}`, attrs.output_status === 'running' && word('running'), attrs.institution]
    .filter(Boolean).join(' · ');
  $('synthetic').hidden = !attrs.synthetic_province;
  $('synthetic').textContent = word('synthetic');
  $('layers').className = attrs.synthetic_province ? 'panel lower' : 'panel';
  $('speed-label').textContent = word('speed');
  $('play').title = word(playing ? 'pause' : 'play');
  $('play').setAttribute('aria-label', $('play').title);
  $('png').textContent = word('png');
  $('language').textContent = language === 'nl' ? 'English' : 'Nederlands';
  $('view').title = '';
  const parts = Object.entries(layers).map(([name, layer]) => {
    const box = make('div', undefined, { className: 'layer' });
    const title = make('label', undefined, { className: 'name' });
    const on = make('input', undefined, { type: 'checkbox', checked: layer.on, id: `on-${name}` });
    on.onchange = () => {
      layer.on = stage.layers[name].mesh.visible = on.checked;
      setStep(step).catch(fail);
    };
    title.append(on, word(name));
    const row = make('div', undefined, { className: 'row' });
    const choice = make('select', undefined, { id: `item-${name}`, ariaLabel: word(name) });
    choice.append(make('option', word('none'), { value: '' }));
    for (const item of layer.items) choice.append(make('option', `${item.label}${bracketed(item)}`, { value: item.name, selected: item === layer.item }));
    choice.onchange = () => {
      layer.item = layer.items.find((i) => i.name === choice.value);
      layer.values = null;
      setStep(step).then(lockScales).catch(fail);
    };
    const opacity = make('input', undefined, { type: 'range', min: 0, max: 1, step: 0.05, value: layer.opacity, title: word('opacity'), ariaLabel: word('opacity') });
    opacity.oninput = () => {
      layer.opacity = stage.layers[name].shader.uniforms.opacity.value = Number(opacity.value);
      stage.draw();
    };
    row.append(choice, opacity);
    const lock = make('label', undefined, { className: 'row' });
    const locked = make('input', undefined, { type: 'checkbox', checked: layer.locked, id: `lock-${name}` });
    locked.onchange = () => {
      layer.locked = locked.checked;
      layer.ranges.clear();
      setStep(step).then(() => layer.locked && lockScales()).catch(fail);
    };
    const from = make('input', undefined, { type: 'range', min: 0, max: 1, step: 0.01, value: layer.from, title: word('from'), ariaLabel: word('from'), id: `from-${name}` });
    from.oninput = () => {
      layer.from = Number(from.value);
      cutLayer(name);
      stage.draw();
    };
    lock.append(locked, word('locked'), from);
    box.append(title, row, lock);
    return box;
  });
  const tools = make('div', undefined, { className: 'layer' });
  const high = make('label', undefined, { className: 'row' });
  const slider = make('input', undefined, { type: 'range', min: 1, max: 80, value: relief, id: 'relief' });
  slider.oninput = () => stage.setRelief((relief = Number(slider.value)));
  high.append(word('relief'), slider);
  tools.append(high);
  if (runs.length > 1) {
    const both = make('label', undefined, { className: 'row' });
    const box = make('input', undefined, { type: 'checkbox', checked: difference, id: 'difference' });
    box.onchange = () => {
      difference = box.checked;
      setStep(step).then(lockScales).catch(fail);
    };
    both.append(box, word('difference'));
    tools.append(both);
  }
  tools.append(make('p', word('help')));
  $('layers').replaceChildren(...parts, tools);
}

function keepState() {
  const now = new URLSearchParams({ step, lang: language, relief });
  for (const [name, layer] of Object.entries(layers)) now.set(name, `${layer.on ? 1 : 0}${layer.item?.name ?? ''}`);
  if (difference) now.set('difference', 1);
  const { position } = stage.camera;
  now.set('camera', [...position.toArray(), ...stage.controls.target.toArray()].map(Math.round).join(','));
  history.replaceState(null, '', `#${now}`);
}

function play(on) {
  clearInterval(playing);
  playing = null;
  if (on) {
    let busy = false;
    playing = setInterval(async () => {
      if (busy) return;
      busy = true;
      try {
        await setStep((step + 1) % steps);
      } catch (error) {
        play(false);
        fail(error);
      }
      busy = false;
    }, 1000 / Number($('speed').value));
  }
  $('play').textContent = on ? '❚❚' : '▶';
  $('play').setAttribute('aria-pressed', String(on));
  drawPanels();
}

function wire() {
  const canvas = $('view');
  $('speed').replaceChildren(...[1, 2, 4, 8, 16, 30].map((n) => make('option', `${n}/s`, { value: n, selected: n === 8 })));
  $('speed').onchange = () => playing && play(true);
  $('step').oninput = (event) => setStep(Number(event.target.value)).catch(fail);
  $('play').onclick = () => play(!playing);
  $('language').onclick = () => {
    language = language === 'nl' ? 'en' : 'nl';
    drawPanels();
    drawLegend();
    keepState();
  };
  $('png').onclick = () => {
    stage.drawNow();
    make('a', undefined, { href: canvas.toDataURL('image/png'), download: `${stamp(step).replace(/[ :]/g, '-')}.png` }).click();
  };
  $('chart-close').onclick = () => {
    $('chart').hidden = true;
    chartAt = null;
  };
  let pressed = null;
  canvas.addEventListener('pointerdown', (e) => (pressed = [e.clientX, e.clientY]));
  canvas.addEventListener('pointermove', (e) => (e.buttons ? showTip(null) : showTip(e)));
  canvas.addEventListener('pointerleave', () => showTip(null));
  canvas.addEventListener('click', (e) => {
    if (pressed && Math.hypot(e.clientX - pressed[0], e.clientY - pressed[1]) > 4) return;
    const hits = under(e.clientX, e.clientY)?.hits ?? [];
    const hit = hits.toReversed().find((h) => layers[h.layer].item && !layers[h.layer].item.still);
    if (hit) showChart(hit).catch(fail);
  });
  stage.controls.addEventListener('end', keepState);
  addEventListener('resize', () => stage.resize());
  addEventListener('keydown', (e) => {
    if (/^(INPUT|SELECT|BUTTON)$/.test(e.target.tagName) && e.key !== 'Escape') return;
    const go = { ArrowLeft: step - 1, ArrowRight: step + 1, Home: 0, End: steps - 1, PageUp: step - 24, PageDown: step + 24 }[e.key];
    if (go !== undefined) setStep(go).catch(fail);
    else if (e.key === ' ') play(!playing);
    else if (e.key === 'Escape') $('chart-close').click();
    else return;
    e.preventDefault();
  });
}

function allowDrop() {
  addEventListener('dragover', (e) => e.preventDefault());
  addEventListener('drop', (e) => {
    e.preventDefault();
    const [blob] = e.dataTransfer.files;
    if (blob) start({ blob }).catch(fail);
  });
}

// A run in progress grows: look again, and follow its last step where that is the one shown.
async function follow() {
  if (runs[0].attrs.output_status !== 'running' || !runs[0].url) return;
  const fresh = await ask('refresh', { id: 'first' });
  const last = step === steps - 1;
  Object.assign(runs[0], { attrs: fresh.attrs, variables: fresh.variables });
  const now = fresh.attrs.steps_written;
  if (now > steps) {
    steps = now;
    $('step').max = steps - 1;
    if (last) await setStep(steps - 1);
  }
  drawPanels();
  setTimeout(() => follow().catch(fail), 5000);
}

async function start(source) {
  $('message').className = '';
  $('message').textContent = word('loading');
  const run = await openRun('first', source);
  run.url = source.url;
  stats.opened = performance.now() - begun;
  if (!run.attrs.steps_written) {
    $('message').textContent = word('errorEmpty');
    setTimeout(() => start(source).catch(fail), 5000);
    return;
  }
  runs.length = 0;
  runs.push(run);
  for (const layer of Object.values(stage.layers)) stage.scene.remove(layer.mesh);
  stage.layers = {};
  for (const name of Object.keys(layers)) delete layers[name];
  cache.clear();
  cached = 0;
  if (query.get('compare') && source.url) {
    const other = await openRun('second', { url: new URL(query.get('compare'), location.href).href });
    if (other.attrs.coordinates_hash !== run.attrs.coordinates_hash) throw new Error('province:');
    runs.push(other);
  }
  run.time = await read(run, 'time');
  const since = /since (\d{4}-\d{2}-\d{2})[ T]?(.*)$/.exec(run.variables.time.attrs.units);
  run.t0 = Date.parse(`${since[1]}T${since[2] || '00:00:00'}Z`);
  steps = Math.min(...runs.map((r) => r.attrs.steps_written));
  // without a step in the address: the first morning peak, which says more than midnight
  const peak = Array.from(run.time.slice(0, steps)).findIndex((t) => new Date(run.t0 + t * 1000).getUTCHours() === 7);
  step = Math.min(Number(state.get('step') ?? Math.max(peak, 0)), steps - 1);
  difference = runs.length > 1 && state.get('difference') === '1';

  const items = itemsOf(run);
  geometry = { ids: {} };
  if (run.variables.elevation) {
    const [x, y, z] = await Promise.all(['x', 'y', 'elevation'].map((n) => read(run, n)));
    origin = [Math.floor(x[0] / 1000) * 1000, Math.floor(y[0] / 1000) * 1000];
    stage.setGround(x, y, z, origin);
    let [lowest, highest] = [0, 0];
    for (const v of z) if (Number.isFinite(v)) [lowest, highest] = [Math.min(lowest, v), Math.max(highest, v)];
    Object.assign(stage, { bottom: lowest, top: highest });
    await addAreas(run, items.field);
  } else if (run.variables.network_node_x) {
    const [x, y] = await Promise.all(['network_node_x', 'network_node_y'].map((n) => read(run, n)));
    origin = [x, y].map((v) => Math.floor(v.reduce((a, b) => Math.min(a, b)) / 1000) * 1000);
    stage.span = Math.max(...[x, y].map((v, i) => v.reduce((a, b) => Math.max(a, b)) - origin[i]));
  }
  const roads = await readRoads(run);
  if (roads) {
    stage.setRibbons('roads', roads.pieces, roads.owner, roads.count, LOOKS.roads);
    stage.layers.roads.shader.uniforms.raise.value = 0.006 * stage.span;
    geometry.roads = { ...roads, buckets: buckets(roads.pieces, stage.span / 100) };
    if (run.variables.road_id) geometry.ids.roads = await read(run, 'road_id');
  }
  const power = await readPower(run);
  if (power) {
    if (power.branches.count) stage.setRibbons('branches', power.branches.pieces, power.branches.owner, power.branches.count, LOOKS.branches);
    stage.setPoints('buses', power.points, LOOKS.buses);
    geometry.points = power.points;
    geometry.branches = { ...power.branches, buckets: buckets(power.branches.pieces, stage.span / 100) };
    if (run.variables.bus_id) geometry.ids.buses = await read(run, 'bus_id');
    if (run.variables.branch_id) geometry.ids.branches = await read(run, 'branch_id');
  }
  for (const name of Object.keys(LOOKS)) {
    if (!stage.layers[name]) continue;
    const kept = state.get(name);
    const list = items[name];
    const item = list.find((i) => i.name === kept?.slice(1)) ?? list.find((i) => i.name === LOOKS[name].first) ?? list.find((i) => !i.still) ?? list[0];
    const on = kept ? kept[0] === '1' : true;
    layers[name] = { items: list, item: kept?.length === 1 ? undefined : item, on, opacity: LOOKS[name].opacity, from: 0, locked: true, ranges: new Map() };
    stage.layers[name].mesh.visible = on;
  }
  const height = Math.max(stage.top - stage.bottom || 1, 1);
  relief = Number(state.get('relief')) || Math.min(60, Math.max(1, Math.round((0.035 * stage.span) / height)));
  $('step').max = steps - 1;
  drawPanels();
  $('message').textContent = '';
  const camera = state.get('camera')?.split(',').map(Number);
  const centre = stage.elevation ? [stage.x0 + (stage.nx * stage.cell) / 2, stage.y0 + (stage.ny * stage.cell) / 2] : [stage.span / 2, stage.span / 2];
  stage.look(stage.span, centre, camera?.length === 6 && camera.every(Number.isFinite) ? camera : null);
  stage.setRelief(relief);
  stage.resize();
  await setStep(step);
  stats.first = performance.now() - begun;
  window.twin.ready = true;
  await lockScales();
  stats.settled = true;
  if (run.attrs.output_status === 'running') setTimeout(() => follow().catch(fail), 5000);
}

Object.assign(window.twin, { setStep, under, stage, layers, runs, showChart, play });
wire();
allowDrop();
if (window.__RUN_BASE64) {
  const bytes = Uint8Array.from(atob(window.__RUN_BASE64), (c) => c.charCodeAt(0));
  start({ blob: new Blob([bytes]) }).catch(fail);
} else start({ url: new URL(query.get('file') || 'run/0', location.href).href }).catch(fail);
