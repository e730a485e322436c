// One run as the page sees it: its variables by the place where they are drawn, and values of a step, kept for a while.
import { known } from './words.js';

const worker = window.reader;
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

const CACHE_BYTES = 128e6; // of values of both runs
const cache = new Map(); // "run/name/step" -> promise of values, oldest first
let cached = 0;

export function forget() {
  cache.clear();
  cached = 0;
}

const PLACES = { 'network edge': 'roads', 'power_network edge': 'branches', 'power_network node': 'buses' };
const DERIVED = { parts: [], factor: 1, kinds: null, attrs: {} }; // an item that the page computes
const YEAR = 365 * 86400; // s
const AXES = { building: 'buildings', hexagon: 'hexagons' };
const POSITION = /(_[xyz]|_start|_index|_cell|_bounds|_number|_edge_nodes|^triangle_.*)$/; // positions are no property to colour by

// UDUNITS as a person writes it: "ug m-3" is µg/m³, a number without unit has none.
export const unit = (text) =>
  (text ?? '')
    .replace(/^1$/, '')
    .replace(/^h-1$/, '1/h')
    .replace(/\bug\b/g, 'µg')
    .replace(/ ([A-Za-z]+)-(\d)/g, (_, name, power) => `/${name}${{ 1: '', 2: '²', 3: '³' }[power] ?? power}`);

// Meanings of a code: CF flags, or a long name that lists them ("0 line, 1 transformer"). Codes in time are stored as
// single precision.
function kindsOf({ attrs }) {
  if (attrs.units !== '1') return null;
  if (attrs.flag_meanings && attrs.flag_values) {
    const meanings = String(attrs.flag_meanings).trim().split(/\s+/);
    const values = [attrs.flag_values].flat();
    return new Map(values.map((v, i) => [v, (meanings[i] ?? String(v)).replace(/_/g, ' ')]));
  }
  const listed = [...String(attrs.long_name ?? '').matchAll(/(?:^|[,:] ?)(\d+) ([^,:]+)/g)];
  return listed.length > 1 ? new Map(listed.map(([, v, meaning]) => [Number(v), meaning.trim().replace(/_/g, ' ')])) : null;
}

export class Run {
  constructor(id, source) {
    Object.assign(this, { id, source });
  }

  async open() {
    Object.assign(this, await ask('open', { id: this.id, source: this.source }));
    this.time = await this.read('time');
    const since = /since (\d{4}-\d{2}-\d{2})[ T]?(\S*)/.exec(this.variables.time.attrs.units);
    this.t0 = Date.parse(`${since[1]}T${since[2] || '00:00:00'}Z`);
    return this;
  }

  // A run in progress has more steps now.
  async refresh() {
    const fresh = await ask('refresh', { id: this.id });
    Object.assign(this, fresh);
  }

  has(name) {
    return Boolean(this.variables[name]?.shape.every((n) => n > 0));
  }

  get steps() {
    return Math.min(this.attrs.steps_written, this.time.length);
  }

  when(step) {
    return new Date(this.t0 + this.time[step] * 1000);
  }

  read(name, ranges) {
    return ask('read', { id: this.id, name, ranges });
  }

  // Row of a step in a variable that may have one value per several steps.
  row(name, step) {
    return Math.floor(step / (this.variables[name].attrs.output_steps ?? 1));
  }

  stored(name, at) {
    const step = at === undefined ? undefined : this.row(name, at);
    const key = `${this.id}/${name}/${step ?? ''}`;
    const kept = cache.get(key);
    cache.delete(key);
    const { shape } = this.variables[name];
    const values = kept ?? this.read(name, step === undefined ? undefined : [[step, step + 1], ...shape.slice(1).map((n) => [0, n])]);
    cache.set(key, values);
    if (kept) return kept;
    const bytes = 4 * shape.slice(step === undefined ? 0 : 1).reduce((a, b) => a * b, 1);
    values.bytes = bytes;
    values.catch(() => cache.delete(key));
    cached += bytes;
    for (const [old, held] of cache) {
      if (cached <= CACHE_BYTES || old === key) break;
      cache.delete(old);
      cached -= held.bytes;
    }
    return values;
  }

  // Values of one item at one step; parts (vehicle classes) are added.
  async values(item, step) {
    if (item.derive) return item.still ? (item.derived ??= item.derive(this)) : item.derive(this, step);
    const parts = await Promise.all(item.parts.map((name) => this.stored(name, item.still ? undefined : step)));
    if (parts.length === 1) return parts[0];
    const sum = Float32Array.from(parts[0]);
    for (const part of parts.slice(1)) for (let i = 0; i < sum.length; i++) sum[i] += part[i];
    return sum;
  }

  // Values of one place over `steps`.
  async series(item, steps, index) {
    if (item.series) return item.series(this, steps, index);
    const rows = (name) => Array.from(steps, (s) => this.row(name, s));
    const parts = await Promise.all(item.parts.map((name) => ask('series', { id: this.id, name, steps: rows(name), index })));
    return parts[0].map((_, i) => parts.reduce((sum, part) => sum + part[i], 0));
  }

  item(name) {
    const variable = this.variables[name];
    const { attrs } = variable;
    const said = known(attrs.declared_as ?? name)?.units;
    const percent = said === '%' && attrs.units === '1';
    return {
      name,
      parts: [name],
      units: said && (percent || said !== '%') ? said : unit(attrs.units),
      factor: percent ? 100 : 1,
      still: !attrs.result,
      kinds: kindsOf(variable),
      made: Boolean(attrs.synthetic),
      attrs,
    };
  }

  // What can be shown where: { field, roads, branches, buses, buildings, hexagons } -> items.
  async items() {
    const found = { field: [], hexagons: [], roads: [], buildings: [], branches: [], buses: [] };
    const [ny, nx] = this.variables.elevation?.shape ?? [0, 0];
    const unplaced = [];
    const joined = {};
    for (const [name, { shape, attrs, text }] of Object.entries(this.variables)) {
      if (text || attrs.axis || POSITION.test(name)) continue;
      const inner = attrs.result ? shape.slice(1) : shape;
      const place = PLACES[`${attrs.mesh} ${attrs.location}`];
      if (inner.length === 2 && inner[0] === ny && inner[1] === nx) found.field.push(this.item(name));
      else if (place && inner.length === 1) {
        found[place].push(this.item(name));
        if (attrs.declared_as) (joined[attrs.declared_as] ??= { place, items: [] }).items.push(found[place].at(-1));
      } else if (inner.length === 1 && !(name in AXES)) unplaced.push(name);
    }
    if (Object.keys(AXES).some((axis) => this.has(axis))) {
      const dimensions = await ask('dimensions', { id: this.id, names: unplaced });
      unplaced.forEach((name, i) => found[AXES[dimensions[i].at(-1)]]?.push(this.item(name)));
    }
    for (const [name, { place, items }] of Object.entries(joined)) {
      if (items.length > 1) found[place].unshift({ ...items[0], name, whole: true, parts: items.map((i) => i.name) });
    }
    for (const items of Object.values(found)) items.sort((a, b) => a.still - b.still);
    found.field.push(...this.areaItems());
    found.hexagons.push(...this.hexagonItems());
    return found;
  }

  // Seconds from the start of the run to the end of a step.
  async elapsed(step) {
    if (this.has('time_bounds')) {
      const bounds = await this.stored('time_bounds');
      return bounds[2 * step + 1] - bounds[0];
    }
    return this.time[step] - this.time[0] + (this.time.length > 1 ? this.time[1] - this.time[0] : 0);
  }

  // Critical load of the nature areas on the lattice, and what the background is above it.
  areaItems() {
    if (!['area_cell', 'area_index', 'area_critical_load'].every((n) => this.has(n))) return [];
    const critical = async (run) => {
      const [cells, areas, loads] = await Promise.all(['area_cell', 'area_index', 'area_critical_load'].map((n) => run.stored(n)));
      const load = new Float32Array(run.variables.elevation.shape.reduce((a, b) => a * b)).fill(NaN);
      cells.forEach((cell, i) => {
        if (!(load[cell] < loads[areas[i]])) load[cell] = loads[areas[i]]; // the lowest of a cell's areas
      });
      return load;
    };
    const { attrs } = this.variables.area_critical_load;
    const common = { ...DERIVED, units: unit(attrs.units), still: true, made: Boolean(attrs.synthetic) };
    const found = [{ ...common, name: 'critical_load', derive: critical }];
    if (this.has('background_deposition')) {
      const above = async (run) => {
        const [load, background] = await Promise.all([critical(run), run.stored('background_deposition')]);
        return load.map((l, i) => background[i] - l);
      };
      found.push({ ...common, name: 'background_exceedance', derive: above, diverging: true });
    }
    return found;
  }

  // What the deposition of a hexagon's cell is above its critical load: of the background alone, and with the run's own
  // sources as if the whole year went on like the run so far (a critical load is one of a year).
  hexagonItems() {
    if (!['hexagon_cell', 'hexagon_critical_load', 'background_deposition'].every((n) => this.has(n))) return [];
    const given = (run) => Promise.all(['hexagon_cell', 'hexagon_critical_load', 'background_deposition'].map((n) => run.stored(n)));
    const { attrs } = this.variables.hexagon_critical_load;
    const common = { ...DERIVED, units: unit(attrs.units), made: Boolean(attrs.synthetic), diverging: true };
    const above = async (run) => {
      const [cells, loads, background] = await given(run);
      return loads.map((load, h) => background[cells[h]] - load);
    };
    const found = [{ ...common, name: 'hexagon_background_exceedance', still: true, derive: above }];
    if (this.variables.n_deposition?.attrs.units !== 'mol ha-1') return found;
    const derive = async (run, step) => {
      const [[cells, loads, background], deposited, seconds] = await Promise.all([given(run), run.stored('n_deposition', step), run.elapsed(step)]);
      return loads.map((load, h) => background[cells[h]] + (deposited[cells[h]] * YEAR) / seconds - load);
    };
    const series = async (run, steps, [h]) => {
      const [cells, loads, background] = await given(run);
      const nx = run.variables.elevation.shape[1];
      const deposited = await run.series(run.item('n_deposition'), steps, [Math.floor(cells[h] / nx), cells[h] % nx]);
      const seconds = await Promise.all(Array.from(steps, (s) => run.elapsed(s)));
      return deposited.map((d, i) => background[cells[h]] + (d * YEAR) / seconds[i] - loads[h]);
    };
    return [{ ...common, name: 'hexagon_year_exceedance', note: 'noteYear', still: false, derive, series }, ...found];
  }
}
