// The page: opens one run (or two), keeps one clock for all layers, and shows what lies under the pointer.
import { LINES, drawChart } from './chart.js';
import { SCALES, kindScale, spread } from './colours.js';
import { LOOKS, buildLayers } from './layers.js';
import { buildPanel, make, titled } from './panel.js';
import { namesOf, placeNames } from './names.js';
import { Run, forget } from './run.js';
import { Stage } from './scene.js';
import { label, moment, speak, spoken, word, written } from './words.js';

const query = new URLSearchParams(location.search);
let state = null; // of the address
const $ = (id) => document.getElementById(id);

const DEFAULTS = { opacity: 1, mode: 'run', on: true };
const THROUGH = { moss: 0, difference: 2 }; // scales of a field under which the ground shows where there is nothing
const SPEEDS = [1, 2, 4, 8, 16, 30];
const FOLLOW = 4000; // ms between two looks at a run in progress
const POINTS = 240; // of a time series; longer runs are sampled
const PIECE = 24; // steps of a series read at once, so that the clock can go on meanwhile

const stage = new Stage($('view'));
const layers = {}; // name -> { items, item, on, opacity, palette, mode, given, range, ranges, values, filter, mask }
const stats = { steps: [] };
const twin = (window.twin = { stats, stage, layers, ready: false });
let runs = [];
let ids = {};
let names = []; // on the map
let shownNames = [];
let step = 0;
let steps = 0;
let view = 'first'; // or 'second', 'difference'
let playing = null;
let speed = 8; // steps a second
let relief = 1;
let charted = null; // { layer, index } of the time series
let updatePanel = () => {};
const opened = new Set(); // settings that stand open
let following = null;

// ---- messages

const FAILURES = {
  filter: 'errorFilter', foreign: 'errorForeign', layout: 'errorLayout', province: 'errorProvince', hdf5: 'errorHdf5',
  busy: 'errorBusy', answer: 'errorAnswer', range: 'errorRange',
};

function say(text, isError = false) {
  $('message').className = isError ? 'error' : '';
  $('message').textContent = text;
}

function fail(error) {
  const [kind, ...rest] = String(error?.message ?? error).split(':');
  say(word(FAILURES[kind] ?? 'errorOther', { x: FAILURES[kind] ? rest.join(':') : String(error?.message ?? error) }), true);
  twin.error = $('message').textContent;
  play(false);
}
const safely = (promise) => promise.catch(fail);

// ---- values

const diverges = (item) => item.diverging || /exce(edance|ss)$/.test(item.name) || (view === 'difference' && !item.still);

async function valuesAt(item, at) {
  if (item.still || view === 'first' || runs.length < 2) return runs[0].values(item, at);
  if (view === 'second') return runs[1].values(item, at);
  const [first, second] = await Promise.all(runs.map((run) => run.values(item, at)));
  return Float32Array.from(first, (v, i) => second[i] - v);
}

function maskOf(filter, values) {
  if (!filter) return null;
  const { kinds, low, high } = filter;
  return Uint8Array.from(values, (v) => (kinds ? kinds.has(v) : v >= low && v <= high) || (!kinds && low === -Infinity && high === Infinity));
}

const rangeKey = ({ item }) => `${view === 'difference' && !item.still ? 'difference ' : ''}${item.name}`;

function apply(name, values, filtered) {
  const layer = layers[name];
  Object.assign(layer, { values, mask: maskOf(layer.filter, filtered) });
  const around = diverges(layer.item);
  layer.kinds = layer.item.kinds && !around ? kindScale(layer.item.kinds) : null;
  if (layer.kinds) layer.range = layer.kinds.range;
  else if (layer.mode === 'given') layer.range = layer.given;
  else {
    const key = rangeKey(layer);
    if (layer.mode === 'step' || !layer.ranges.has(key)) layer.ranges.set(key, spread([values], around));
    layer.range = layer.ranges.get(key);
  }
  layer.scale = around ? 'difference' : layer.palette;
  stage.show(name, values, layer.mask, layer.kinds?.texture ?? SCALES[layer.scale].texture, layer.range, layer.kinds ? 1 : (THROUGH[layer.scale] ?? 1));
}

let asked = 0;
async function setStep(at) {
  const mine = ++asked;
  const from = performance.now();
  step = Math.min(Math.max(Number.isFinite(at) ? Math.round(at) : 0, 0), steps - 1);
  $('step').value = step;
  const active = Object.entries(layers).filter(([, layer]) => layer.on && layer.item);
  const values = await Promise.all(active.map(([, { item, filter }]) => Promise.all([valuesAt(item, step), filter && valuesAt(filter.item, step)])));
  if (mine !== asked) return; // a later step was asked meanwhile
  active.forEach(([name], i) => apply(name, ...values[i]));
  for (const [name, layer] of Object.entries(layers)) {
    if (stage.layers[name]) stage.setVisible(name, layer.on && Boolean(layer.item || !layer.items));
  }
  showTime();
  stage.draw(); // with the next frame: a slow graphics card skips steps instead of queueing their pictures
  stats.steps.push(performance.now() - from);
  updatePanel();
  if (charted) markChart();
  keepState();
  if (playing && step + 1 < steps) for (const [, { item }] of active) valuesAt(item, step + 1).catch(() => {}); // read ahead
}

// After the first picture: a scale that fits the whole run, from a few steps.
async function lockScales() {
  const sample = [...new Set([0, 0.25, 0.5, 0.75, 1].map((s) => Math.round(s * (steps - 1))))];
  for (const layer of Object.values(layers)) {
    if (!layer.on || !layer.item || layer.item.kinds || layer.mode !== 'run') continue;
    const { item } = layer;
    const key = rangeKey(layer);
    const arrays = [];
    for (const at of item.still ? [0] : sample) arrays.push(await valuesAt(item, at));
    layer.ranges.set(key, spread(arrays, diverges(item)));
  }
  await setStep(step);
}

// ---- address

function keepState() {
  const now = new URLSearchParams({ step, lang: spoken(), relief, speed });
  if (runs.length > 1) now.set('view', view);
  if (charted) now.set('chart', `${charted.layer}:${charted.index}`);
  for (const [name, layer] of Object.entries(layers)) {
    now.set(name, `${layer.on ? 1 : 0}${layer.item?.name ?? ''}`);
    if (!layer.items) continue;
    if (layer.opacity !== (LOOKS[name].opacity ?? 1)) now.set(`${name}.opacity`, layer.opacity);
    if (layer.palette !== LOOKS[name].palette) now.set(`${name}.colours`, layer.palette);
    if (layer.mode !== 'run') now.set(`${name}.scale`, layer.mode === 'step' ? 'step' : layer.given.join('..'));
    const { filter } = layer;
    if (filter) now.set(`${name}.filter`, `${filter.item.name}:${filter.kinds ? [...filter.kinds].join(',') : `${filter.low}..${filter.high}`}`);
  }
  const { position } = stage.camera;
  now.set('camera', [...position.toArray(), ...stage.controls.target.toArray()].map(Math.round).join(','));
  history.replaceState(null, '', `#${now}`);
}

const pair = (text) => {
  const ends = (text ?? '').split('..').map(Number);
  return ends.length === 2 && ends[0] < ends[1] ? ends : null;
};

function layerFrom(name, items) {
  const kept = state.get(name);
  const item = kept?.length === 1 ? undefined : (items.find((i) => i.name === kept?.slice(1)) ?? LOOKS[name].first.map((n) => items.find((i) => i.name === n)).find(Boolean) ?? items[0]);
  const layer = { ...DEFAULTS, opacity: LOOKS[name].opacity ?? 1, palette: LOOKS[name].palette, items, item, ranges: new Map() };
  if (kept) layer.on = kept[0] === '1';
  const opacity = Number(state.get(`${name}.opacity`));
  if (opacity > 0 && opacity <= 1) layer.opacity = opacity;
  if (Object.hasOwn(SCALES, state.get(`${name}.colours`) ?? '')) layer.palette = state.get(`${name}.colours`);
  const scale = state.get(`${name}.scale`);
  if (scale === 'step') layer.mode = 'step';
  else if (pair(scale)) Object.assign(layer, { mode: 'given', given: pair(scale) });
  const [by, rest] = (state.get(`${name}.filter`) ?? '').split(':');
  const filtering = items.find((i) => i.name === by);
  if (filtering) {
    const [low, high] = pair(rest) ?? [-Infinity, Infinity];
    layer.filter = { item: filtering, low, high, kinds: filtering.kinds && new Set((rest ?? '').split(',').filter(Boolean).map(Number)) };
  }
  return layer;
}

// ---- what lies under the pointer

async function idOf({ layer, index }) {
  if (layer === 'field') return `${index % stage.nx}, ${Math.floor(index / stage.nx)}`;
  const texts = await Promise.all((ids[layer] ?? []).map((name) => runs[0].stored(name)));
  return texts.map((list) => String(list[index] ?? '').trim()).find(Boolean) ?? String(index);
}

const KINDS = { field: 'cell', hexagons: 'hexagon', roads: 'link', buildings: 'building', branches: 'branch', buses: 'bus' };

// { x, y [m RD], nap [m], hits: [{ layer, index, kind, id, label, units, value }] }, the nearest thing first.
async function under(px, py) {
  const met = stage.meetGround(px, py);
  const features = stage.meetFeatures(px, py);
  const hits = features.filter(({ layer }) => layer !== 'field').slice(0, 3);
  const found = { x: NaN, y: NaN, nap: NaN, hits };
  if (met) {
    [found.x, found.y] = met.map((v, k) => v + stage.origin[k]);
    if (stage.elevation) {
      const [i, j] = [Math.round((met[0] - stage.x0) / stage.cell), Math.round((met[1] - stage.y0) / stage.cell)];
      if (i >= 0 && j >= 0 && i < stage.nx && j < stage.ny) {
        found.nap = stage.elevation[j * stage.nx + i];
        if (layers.field.on) hits.push({ layer: 'field', index: j * stage.nx + i });
      }
    }
  }
  await Promise.all(hits.map(async (hit) => {
    const { item, values, kinds } = layers[hit.layer];
    hit.id = await idOf(hit);
    hit.kind = word(KINDS[hit.layer]);
    if (!item || !values) return;
    const value = values[hit.index];
    const change = view === 'difference' && !item.still;
    Object.assign(hit, { label: label(item), value });
    hit.text = !Number.isFinite(value) ? word('missing')
      : kinds ? (item.kinds.get(value) ?? String(value))
      : `${change && value > 0 ? '+' : ''}${written(value * item.factor)}${item.units ? `\u00a0${item.units}` : ''}`;
  }));
  return found;
}

let pointer = null; // the latest event that waits for its answer
let looking = false;
async function showTip(event) {
  pointer = event;
  if (looking) return;
  looking = true;
  while (pointer !== undefined) {
    const mine = pointer;
    pointer = undefined;
    const found = mine && runs.length ? await under(mine.clientX, mine.clientY) : null;
    if (pointer !== undefined) continue;
    const tip = $('tip');
    tip.hidden = !found?.hits.length;
    $('view').style.cursor = found?.hits.some((h) => h.layer !== 'field') ? 'pointer' : '';
    if (tip.hidden) continue;
    const rows = found.hits.map((hit) => {
      const row = make('div', `${hit.kind} ${hit.id}`, { className: 'thing' });
      if (hit.label) row.append(make('br'), `${hit.label}: `, make('b', hit.text));
      return row;
    });
    const place = `RD ${found.x.toFixed(0)}, ${found.y.toFixed(0)} m · NAP ${Number.isFinite(found.nap) ? `${found.nap.toFixed(2)} m` : '–'}`;
    tip.replaceChildren(...rows, make('div', place, { className: 'where' }));
    tip.style.left = `${Math.max(8, Math.min(mine.clientX + 18, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${Math.max(8, Math.min(mine.clientY + 16, innerHeight - tip.offsetHeight - 8))}px`;
  }
  looking = false;
}

// ---- time series

let charting = 0;
async function showChart(hit) {
  const { item } = layers[hit.layer] ?? {};
  if (!item || item.still) return;
  const mine = ++charting;
  const stride = Math.ceil(steps / POINTS);
  const at = Array.from({ length: Math.ceil(steps / stride) }, (_, i) => i * stride);
  const lines = runs.map(() => new Float64Array(at.length).fill(NaN));
  charted = { layer: hit.layer, index: hit.index, item, at, lines, done: false };
  choose();
  $('chart').hidden = false;
  const panel = $('chart');
  panel.querySelector('h2').textContent = titled(item);
  const about = [make('span', `${word(KINDS[hit.layer])} ${await idOf(hit)}`)];
  if (runs.length > 1) {
    runs.forEach((run, r) => {
      const name = make('span', ` · ${runName(run)}`);
      name.style.color = LINES[r];
      about.push(name);
    });
  }
  if (stride > 1) about.push(make('span', ` · ${word('sampled', { n: stride })}`));
  panel.querySelector('p').replaceChildren(...about);
  panel.querySelector('svg').setAttribute('aria-label', panel.querySelector('h2').textContent);
  const place = hit.layer === 'field' ? [Math.floor(hit.index / stage.nx), hit.index % stage.nx] : [hit.index];
  for (let k = 0; k < at.length; k += PIECE) {
    const some = at.slice(k, k + PIECE);
    const found = await Promise.all(runs.map((run) => run.series(item, some, place)));
    if (mine !== charting) return;
    found.forEach((values, r) => lines[r].set(values.map((v) => v * item.factor), k));
    markChart();
  }
  charted.done = true;
  twin.series = lines.map((line) => [...line]);
  keepState();
}

function markChart() {
  const { at, lines } = charted;
  drawChart($('chart').querySelector('svg'), { steps: at, lines, dates: at.map((s) => runs[0].when(s)), now: runs[0].when(step), go: (s) => safely(setStep(s)) });
}

function closeChart() {
  charting++;
  charted = null;
  $('chart').hidden = true;
  choose();
  if (runs.length) keepState();
}

// The charted thing stands out in the scene.
function choose() {
  for (const [name, { uniforms }] of Object.entries(stage.layers)) uniforms.chosen.value = charted?.layer === name ? charted.index : -1;
  stage.draw();
}

async function inspect(px, py) {
  const found = await under(px, py);
  const hit = found.hits.find((h) => layers[h.layer].item && !layers[h.layer].item.still);
  if (hit) await showChart(hit);
}

// ---- panels

const runName = (run) => String(run.attrs.scenario || run.attrs.title);

stage.drawn = () => {
  shownNames = placeNames($('names'), layers.names?.on ? names : [], stage);
};

function showTime() {
  const date = runs[0].when(step);
  const local = moment(date, { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit' });
  $('time').querySelector('b').textContent = local.replace(/,? at |,? om |, /g, ' ');
  $('time').querySelector('span').textContent = `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC · ${step + 1}/${steps}`;
  $('step').setAttribute('aria-valuetext', local);
}

// Words under the slider: days of the run where there are few, else dates.
function showDays() {
  const [first, last] = [runs[0].when(0), runs[0].when(steps - 1)];
  const days = Math.max(1, (last - first) / 864e5);
  const most = Math.max(2, Math.floor($('days').clientWidth / 74));
  const stride = Math.ceil(days / most);
  const marks = [];
  let before = moment(first, { day: 'numeric', month: 'numeric', year: 'numeric' });
  let count = 0;
  for (let s = 1; s < steps && steps > 1; s++) {
    const date = runs[0].when(s);
    const day = moment(date, { day: 'numeric', month: 'numeric', year: 'numeric' });
    if (day === before) continue;
    before = day;
    if (count++ % stride) continue;
    const mark = make('span', moment(date, days > 10 ? { day: 'numeric', month: 'short' } : { weekday: 'short', day: 'numeric' }));
    mark.style.left = `${(100 * s) / (steps - 1)}%`;
    if (s / (steps - 1) < 0.96) marks.push(mark);
  }
  $('days').replaceChildren(...marks);
}

function drawHead() {
  const { attrs } = runs[0];
  document.title = `${attrs.title} · Province Twin`;
  $('title').textContent = attrs.title;
  const day = (s) => moment(runs[0].when(s), { day: 'numeric', month: 'short', year: 'numeric' });
  const names = [...new Set(runs.map(runName))].join(' / ');
  $('about').textContent = [`${word('scenario')} ${names}`, `${day(0)} – ${day(steps - 1)}`, attrs.output_status === 'running' && word('running'), attrs.institution]
    .filter(Boolean).join(' · ');
  $('synthetic').hidden = !attrs.synthetic_province;
  $('synthetic').textContent = word('synthetic');
}

function drawPanels() {
  document.documentElement.lang = spoken();
  drawHead();
  $('views').hidden = runs.length < 2;
  $('views').replaceChildren(...['first', 'second', 'difference'].map((name, k) => {
    const different = runs.length > 1 && runName(runs[0]) !== runName(runs[1]);
    const text = k < 2 && different ? runName(runs[k]) : word(name);
    const button = make('button', text, { id: `view-${name}`, ariaPressed: String(view === name), title: k < 2 ? `${word(name)}: ${runName(runs[k] ?? runs[0])}` : word('differenceLong') });
    button.onclick = () => setView(name);
    return button;
  }));
  for (const [id, key] of [['home', 'home'], ['png', 'png'], ['open', 'open'], ['hide', 'hide'], ['help', 'help'], ['chart-close', 'close']]) {
    $(id).title = word(key);
    $(id).ariaLabel = word(key);
  }
  $('language').textContent = word('language');
  $('view').ariaLabel = `3D: ${word('mouse')}`;
  $('step').ariaLabel = word('step');
  $('speed').ariaLabel = word('speed');
  $('speed').replaceChildren(...SPEEDS.map((n) => make('option', `${n} /s`, { value: n, selected: n === speed })));
  $('pace').title = word('speed');
  showPlay();
  showTime();
  showDays();
  updatePanel = buildPanel($('layers'), layers, { change, relief, opened, setRelief(value) {
    relief = value;
    stage.setRelief(value);
    keepState();
  } });
  updatePanel();
  const keys = word('keys').split('|');
  const list = make('dl');
  for (let k = 0; k < keys.length; k += 2) list.append(make('dt', keys[k]), make('dd', keys[k + 1]));
  $('keys').replaceChildren(make('b', word('help')), list, make('p', word('mouse')));
  if (charted) safely(showChart(charted));
}

async function setView(name) {
  view = name;
  for (const key of ['first', 'second', 'difference']) $(`view-${key}`).ariaPressed = String(view === key);
  await safely(setStep(step).then(lockScales));
}

function change(name, what) {
  const layer = layers[name];
  if (what === 'look' || what === 'on') {
    if (layer.items) stage.layers[name].uniforms.opacity.value = layer.opacity;
  }
  if (what === 'scale' && layer.mode === 'given') layer.given ??= layer.range;
  if (what === 'scale' || what === 'item') layer.ranges.clear();
  const relock = layer.mode === 'run' && ['on', 'item', 'scale'].includes(what);
  safely(setStep(step).then(() => relock && lockScales()));
}

function showPlay() {
  $('play').ariaPressed = String(Boolean(playing));
  $('play').title = $('play').ariaLabel = word(playing ? 'pause' : 'play');
}

function play(on) {
  clearInterval(playing);
  playing = null;
  if (on) {
    let busy = false;
    playing = setInterval(async () => {
      if (busy) return;
      busy = true;
      await safely(setStep((step + 1) % steps));
      busy = false;
    }, 1000 / speed);
  }
  showPlay();
}

// The view with title, time and legends on one canvas.
function picture() {
  stage.drawNow();
  const ratio = stage.renderer.getPixelRatio();
  const from = $('view');
  const sheet = make('canvas', undefined, { width: from.width, height: from.height });
  const pen = sheet.getContext('2d');
  pen.drawImage(from, 0, 0);
  pen.scale(ratio, ratio);
  pen.textAlign = 'center';
  for (const { text, at, kind } of shownNames) {
    pen.font = `${kind === 'place' ? '600 13px' : 'italic 11.5px'} "Source Sans 3", "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif`;
    [pen.strokeStyle, pen.lineWidth, pen.fillStyle] = ['#ffffffcc', 3, '#2f4a3c'];
    pen.strokeText(text, at[0], at[1] + 4, 160);
    pen.fillText(text, at[0], at[1] + 4, 160);
  }
  const shown = Object.values(layers).filter((l) => l.on && l.item && l.range);
  const width = 270;
  const rows = shown.map((l) => (l.kinds ? 26 + 16 * l.item.kinds.size : 50));
  const notes = [runs[0].attrs.synthetic_province && word('synthetic'), view === 'difference' && `${word('difference')}: ${word('differenceLong')}`].filter(Boolean);
  pen.fillStyle = '#fffffff0';
  pen.beginPath();
  pen.roundRect(16, 16, width, 66 + 16 * notes.length + rows.reduce((a, b) => a + b, 0), 12);
  pen.fill();
  let y = 40;
  const write = (text, font, colour, x = 30, align = 'left') => {
    pen.font = `${font} "Source Sans 3", "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif`;
    pen.fillStyle = colour;
    pen.textAlign = align;
    pen.fillText(text, x, y, width - 28);
  };
  write(runs[0].attrs.title, '600 16px', '#1c2a36');
  y += 18;
  write(`${$('time').querySelector('b').textContent} · ${[...new Set(runs.map(runName))].join(' / ')}`, '12px', '#5d6b78');
  for (const note of notes) {
    y += 16;
    write(note, '600 12px', '#8a3b00');
  }
  y += 22;
  shown.forEach((l, k) => {
    const top = y;
    write(titled(l.item), '600 12px', '#1c2a36');
    if (l.kinds) {
      for (const [value, meaning] of l.item.kinds) {
        y += 16;
        pen.fillStyle = l.kinds.colours.get(value);
        pen.fillRect(30, y - 9, 10, 10);
        write(meaning, '11px', '#5d6b78', 46);
      }
    } else {
      const { bytes } = SCALES[l.scale];
      for (let i = 0; i < 256; i++) {
        pen.fillStyle = `rgb(${bytes[4 * i]},${bytes[4 * i + 1]},${bytes[4 * i + 2]})`;
        pen.fillRect(30 + (i * (width - 28)) / 256, y + 6, (width - 28) / 256 + 0.6, 8);
      }
      y += 27;
      write(written(l.range[0] * l.item.factor), '11px', '#5d6b78');
      write(written(l.range[1] * l.item.factor), '11px', '#5d6b78', 16 + width - 14, 'right');
    }
    y = top + rows[k];
  });
  y = from.clientHeight - 12;
  write(`Province Twin · ${runs[0].attrs.run_id ?? ''}`, '11px', '#5d6b78', 16);
  return sheet;
}

function savePicture() {
  const name = `${$('time').querySelector('span').textContent.slice(0, 16).replace(/[ :]/g, '-')}.png`;
  picture().toBlob((blob) => {
    const href = URL.createObjectURL(blob);
    make('a', undefined, { href, download: name }).click();
    twin.saved = { name, size: blob.size };
    setTimeout(() => URL.revokeObjectURL(href), 10000);
  });
}

// ---- keys, pointer, files

function setLanguage() {
  speak(spoken() === 'nl' ? 'en' : 'nl');
  if (!runs.length) return;
  drawPanels();
  keepState();
}

function toggleBare() {
  document.body.classList.toggle('bare');
}

function inspectMiddle() {
  const canvas = $('view');
  const [x, y] = [canvas.clientWidth / 2, canvas.clientHeight / 2].map(Math.floor);
  $('middle').hidden = false;
  safely(showTip({ clientX: x, clientY: y }));
  safely(inspect(x, y));
}

function switchLayer(k) {
  const [name, layer] = Object.entries(layers)[k] ?? [];
  if (!name) return;
  layer.on = !layer.on;
  change(name, 'on');
}

const VIEWS = ['first', 'second', 'difference'];
const KEYS = {
  ArrowLeft: () => safely(setStep(step - 1)),
  ArrowRight: () => safely(setStep(step + 1)),
  Home: () => safely(setStep(0)),
  End: () => safely(setStep(steps - 1)),
  PageUp: () => safely(setStep(step - dayOfSteps())),
  PageDown: () => safely(setStep(step + dayOfSteps())),
  ' ': () => play(!playing),
  w: () => stage.move({ ahead: 0.1 }),
  s: () => stage.move({ ahead: -0.1 }),
  a: () => stage.move({ aside: -0.1 }),
  d: () => stage.move({ aside: 0.1 }),
  q: () => stage.move({ turn: 0.1 }),
  e: () => stage.move({ turn: -0.1 }),
  r: () => stage.move({ tilt: -0.08 }),
  f: () => stage.move({ tilt: 0.08 }),
  '+': () => stage.move({ zoom: 0.8 }),
  '=': () => stage.move({ zoom: 0.8 }),
  '-': () => stage.move({ zoom: 1.25 }),
  0: () => stage.home(),
  Enter: inspectMiddle,
  v: () => runs.length > 1 && setView(VIEWS[(VIEWS.indexOf(view) + 1) % 3]),
  h: toggleBare,
  p: savePicture,
  l: setLanguage,
  '?': () => $('keys').showModal(),
  Escape: () => {
    $('middle').hidden = $('tip').hidden = true;
    closeChart();
  },
};

const dayOfSteps = () => Math.max(1, Math.round(864e5 / Math.max(1, runs[0].when(Math.min(1, steps - 1)) - runs[0].when(0) || 864e5)));

function wire() {
  const canvas = $('view');
  $('speed').onchange = () => {
    speed = Number($('speed').value);
    if (playing) play(true);
    keepState();
  };
  $('step').oninput = (event) => safely(setStep(Number(event.target.value)));
  $('play').onclick = () => play(!playing);
  $('language').onclick = setLanguage;
  $('png').onclick = savePicture;
  $('help').onclick = () => $('keys').showModal();
  $('keys').onclick = () => $('keys').close();
  $('hide').onclick = toggleBare;
  $('home').onclick = () => stage.home();
  $('open').onclick = () => $('file').click();
  $('file').onchange = () => openFiles([...$('file').files]);
  $('chart-close').onclick = closeChart;
  let pressed = null;
  canvas.addEventListener('pointerdown', (e) => {
    pressed = [e.clientX, e.clientY];
    $('middle').hidden = true;
  });
  canvas.addEventListener('pointermove', (e) => safely(showTip(e.buttons ? null : e)));
  canvas.addEventListener('pointerleave', () => safely(showTip(null)));
  canvas.addEventListener('click', (e) => {
    if (!runs.length || (pressed && Math.hypot(e.clientX - pressed[0], e.clientY - pressed[1]) > 4)) return;
    safely(inspect(e.clientX, e.clientY));
  });
  let resting = null; // the address follows the camera once it rests
  stage.controls.addEventListener('change', () => {
    clearTimeout(resting);
    resting = setTimeout(() => twin.ready && keepState(), 200);
  });
  addEventListener('resize', () => {
    stage.resize();
    if (runs.length) showDays();
  });
  addEventListener('hashchange', () => safely(start(sources)));
  addEventListener('keydown', (e) => {
    if (!runs.length || e.ctrlKey || e.metaKey || e.altKey || $('keys').open) return;
    if (/^(INPUT|SELECT|BUTTON)$/.test(e.target.tagName) && e.key !== 'Escape') return;
    const key = e.key.length === 1 ? e.key.toLowerCase() : e.key;
    if (/^[1-9]$/.test(key)) switchLayer(Number(key) - 1);
    else if (Object.hasOwn(KEYS, key)) KEYS[key]();
    else return;
    e.preventDefault();
  });
  addEventListener('dragover', (e) => e.preventDefault());
  addEventListener('drop', (e) => {
    e.preventDefault();
    openFiles([...e.dataTransfer.files]);
  });
}

function openFiles(blobs) {
  if (blobs.length) safely(start(blobs.slice(0, 2).map((blob) => ({ blob }))));
}

// ---- opening

// A run in progress grows: look again, and follow its last step where that is the one shown.
async function follow() {
  const mine = runs;
  const growing = runs.filter((run) => run.attrs.output_status === 'running' && run.source.url);
  await Promise.all(growing.map((run) => run.refresh()));
  if (mine !== runs) return;
  const now = Math.min(...runs.map((run) => run.steps));
  if (now > steps) {
    const last = step === steps - 1;
    steps = now;
    $('step').max = steps - 1;
    showDays();
    if (last) await setStep(steps - 1);
    else showTime();
  }
  drawHead();
  followLater();
}

function followLater() {
  clearTimeout(following);
  if (runs.some((run) => run.attrs.output_status === 'running' && run.source.url)) following = setTimeout(() => safely(follow()), FOLLOW);
}

// Without a step in the address: the morning peak (8 o'clock) nearest to the middle of the run, which says more than
// its first midnight.
function peak() {
  const middle = Math.floor(steps / 2);
  const around = Array.from({ length: Math.min(steps, 400) }, (_, k) => middle + (k % 2 ? (k + 1) / 2 : -k / 2)).filter((s) => s >= 0 && s < steps);
  return around.find((s) => moment(runs[0].when(s), { hour: '2-digit', hourCycle: 'h23' }).startsWith('08')) ?? middle;
}

let sources = []; // of the runs: addresses or dropped files
let starting = 0;
async function start(given) {
  const mine = ++starting;
  sources = given;
  state = new URLSearchParams(location.hash.slice(1));
  speak(state.get('lang') ?? (navigator.language.startsWith('nl') ? 'nl' : 'en'));
  speed = SPEEDS.find((n) => n === Number(state.get('speed'))) ?? 8;
  play(false);
  clearTimeout(following);
  closeChart();
  twin.ready = stats.settled = false;
  twin.error = '';
  twin.series = null;
  say(word('loading'));
  const found = [];
  for (const [k, source] of given.entries()) found.push(await new Run(['first', 'second'][k], source).open());
  if (mine !== starting) return; // another was asked for meanwhile
  stats.opened = performance.now();
  if (found.length > 1 && found[0].attrs.coordinates_hash !== found[1].attrs.coordinates_hash) throw new Error('province:');
  if (found.some((run) => !run.attrs.steps_written)) {
    say(word('errorEmpty'));
    following = setTimeout(() => safely(start(given)), FOLLOW);
    return;
  }
  runs = found;
  forget();
  steps = Math.min(...runs.map((run) => run.steps));
  step = Math.min(state.has('step') ? Number(state.get('step')) || 0 : peak(), steps - 1);
  const wanted = state.get('view');
  view = runs.length > 1 && VIEWS.includes(wanted) ? wanted : runs.length > 1 ? 'difference' : 'first';

  stage.clear();
  for (const name of Object.keys(layers)) delete layers[name];
  const items = await runs[0].items();
  stats.items = performance.now();
  const built = await buildLayers(runs[0], stage);
  stats.built = performance.now();
  ids = built.ids;
  for (const name of Object.keys(LOOKS)) {
    if (!stage.layers[name]) continue;
    layers[name] = layerFrom(name, items[name]);
    stage.layers[name].uniforms.opacity.value = layers[name].opacity;
  }
  if (stage.layers.border) layers.border = { on: state.get('border') !== '0' };
  names = [];
  layers.names = { on: state.get('names') !== '0' };
  const height = Math.max(stage.top - stage.bottom || 1, 1);
  relief = Math.min(80, Math.max(1, Number(state.get('relief')) || Math.round((0.012 * stage.span) / height)));
  $('step').max = steps - 1;
  for (const id of ['side', 'tools', 'clock']) $(id).hidden = false;
  drawPanels();
  stage.resize();
  const camera = state.get('camera')?.split(',').map(Number);
  stage.look(built.box ?? [0, 0, 1e4, 1e4], camera?.length === 6 && camera.every(Number.isFinite) ? camera : null);
  stage.setRelief(relief);
  await setStep(step);
  say('');
  stage.finish();
  stats.first = performance.now();
  twin.ready = true;
  names = await namesOf(runs[0], stage);
  const [layer, index] = (state.get('chart') ?? '').split(':');
  await lockScales();
  if (layers[layer]?.item && Number(index) >= 0) await showChart({ layer, index: Number(index) });
  if (mine !== starting) return;
  stats.settled = true;
  followLater();
}

Object.assign(twin, { setStep, under, showChart, play, picture, scales: SCALES });
Object.defineProperties(twin, { runs: { get: () => runs }, charted: { get: () => charted } });
wire();
if (window.__RUNS_BASE64) {
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  safely(start(window.__RUNS_BASE64.map((text) => ({ blob: new Blob([bytes(text)]) }))));
} else {
  const paths = [query.get('file') || 'run/0', query.get('compare')].filter(Boolean);
  safely(start(paths.map((path) => ({ url: new URL(path, location.href).href }))));
}
