// Reads run files in a worker, by HTTP Range or from a dropped file. Everything that comes from a file is plain data
// here; the page shows it as text.
import h5wasm from 'h5wasm';
import { DroppedBytes, ServedBytes, mount } from './bytes.js';

const PORTABLE = new Set([1, 2, 3]); // deflate, shuffle, fletcher32: others decode to garbage without an error
const HIDDEN = /^(DIMENSION_LIST|REFERENCE_LIST|CLASS|NAME)$/;
const ATTEMPTS = 40; // at a file that is written meanwhile
const files = new Map(); // id -> { file, source, path, state }
let module = null;
let serial = 0;

// Texts are UTF-8 in the file; the library reads each byte as a letter where the file does not say so.
function utf8(text) {
  const cut = text.replace(/\0+$/, '');
  if (!/^[\0-\xff]*[\x80-\xff][\0-\xff]*$/.test(cut)) return cut;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(cut, (c) => c.charCodeAt(0)));
  } catch {
    return cut;
  }
}

function plain(value) {
  if (typeof value === 'bigint') return Number(value);
  if (ArrayBuffer.isView(value)) return Array.from(value, Number);
  return typeof value === 'string' ? utf8(value) : value;
}

function attributes(object) {
  const found = {};
  for (const [name, attribute] of Object.entries(object.attrs)) {
    if (HIDDEN.test(name)) continue;
    try {
      found[name] = plain(attribute.value);
    } catch {
      found[name] = null; // a type that the library cannot show is not needed here
    }
  }
  return found;
}

// Opens `source` under `id`; a file open there before is let go of once the new one stands.
function connect(id, source) {
  const path = `run${serial++}.h5`;
  const state = mount(module.FS, path, source.url ? new ServedBytes(source.url) : new DroppedBytes(source.blob));
  let file = null;
  try {
    file = new h5wasm.File(`/${path}`, 'r');
    file.keys();
  } catch {
    module.FS.unlink(`/${path}`);
    throw state.changed ? new Error('changed:') : (state.failed ?? new Error('hdf5:'));
  }
  const before = files.get(id);
  before?.file.close();
  if (before) module.FS.unlink(`/${before.path}`);
  files.set(id, { file, source, path, state });
  return file;
}

function open(id, source) {
  const file = connect(id, source);
  const about = attributes(file);
  if (about.layout_version !== 1) throw new Error(about.layout_version ? `layout:${about.layout_version}` : 'foreign:');
  const variables = {};
  for (const name of file.keys()) {
    const object = file.get(name);
    if (!object?.shape) continue;
    const unknown = (object.filters || []).filter((f) => !PORTABLE.has(f.id)).map((f) => f.name || f.id);
    if (unknown.length) throw new Error(`filter:${name} (${unknown.join(', ')})`);
    variables[name] = { shape: object.shape, text: object.metadata.type === 3, attrs: attributes(object) };
  }
  return { attrs: about, variables };
}

const operations = {
  open: ({ id, source }) => [open(id, source)],
  refresh: ({ id }) => [open(id, files.get(id).source)],
  read({ id, name, ranges }) {
    const dataset = files.get(id).file.get(name);
    if (!dataset) throw new Error(`missing:${name}`);
    const value = ranges ? dataset.slice(ranges) : dataset.value;
    if (!ArrayBuffer.isView(value)) return [Array.isArray(value) ? value.map(plain) : plain(value)];
    const data = value instanceof BigInt64Array ? Float64Array.from(value, Number) : value.slice();
    return [data, [data.buffer]];
  },
  // names of the dimensions of variables that no attribute places
  dimensions({ id, names }) {
    const { file } = files.get(id);
    return [names.map((n) => file.get(n).shape.map((_, i) => file.get(n).get_attached_scales(i)[0]?.replace(/^\//, '')))];
  },
  // values of one place over chosen steps; a step is one chunk or a few, so only those chunks are read
  series({ id, name, steps, index }) {
    const dataset = files.get(id).file.get(name);
    const cell = index.map((k) => [k, k + 1]);
    const values = Float64Array.from(steps, (step) => Number(dataset.slice([[step, step + 1], ...cell])[0]));
    return [values, [values.buffer]];
  },
};

// Does an operation on one state of the file: where a writer came in between, it is opened and read again.
async function steadily(operation, given) {
  for (let attempt = 1; ; attempt++) {
    let failure = null;
    let answer = null;
    try {
      if (attempt > 1 && files.has(given.id)) connect(given.id, files.get(given.id).source);
      if (files.has(given.id)) files.get(given.id).state.failed = null;
      answer = operations[operation](given);
    } catch (error) {
      failure = error;
    }
    const state = files.get(given.id)?.state;
    if (failure?.message !== 'changed:' && !state?.changed) {
      if (failure) throw state?.failed ?? failure;
      return answer;
    }
    if (attempt === ATTEMPTS) throw new Error('busy:');
    await new Promise((resolve) => setTimeout(resolve, 10 * attempt));
  }
}

let queue = Promise.resolve(); // one operation after the other
onmessage = ({ data: { serial: call, operation, given } }) => {
  queue = queue.then(async () => {
    try {
      module ??= await h5wasm.ready;
      const [result, transfer] = await steadily(operation, given);
      postMessage({ serial: call, result }, transfer ?? []);
    } catch (error) {
      postMessage({ serial: call, error: error instanceof Error ? error.message : String(error) });
    }
  });
};
