// Reads run files in a worker: lazily by HTTP Range (a synchronous request, possible in a worker only), or from a
// dropped file. Everything that comes from a file is plain data here; the page shows it as text.
import h5wasm from 'h5wasm';

const PORTABLE = new Set([1, 2, 3]); // deflate, shuffle, fletcher32: others decode to garbage without an error
const files = new Map(); // id -> { file, source, name }
let module = null;
let serial = 0;

function plain(value) {
  if (typeof value === 'bigint') return Number(value);
  if (ArrayBuffer.isView(value)) return Array.from(value, Number);
  return value;
}

function attributes(object) {
  const found = {};
  for (const [name, attribute] of Object.entries(object.attrs)) {
    if (/^(DIMENSION_LIST|REFERENCE_LIST|CLASS|NAME)$/.test(name)) continue;
    try {
      const value = plain(attribute.value);
      found[name] = typeof value === 'string' ? value.replace(/\0+$/, '') : value;
    } catch {
      found[name] = null; // a type that the library cannot show is not needed here
    }
  }
  return found;
}

function mount(source) {
  const name = `run${serial++}.h5`;
  if (source.url) {
    module.FS.createLazyFile('/', name, source.url, true, false);
    return `/${name}`;
  }
  if (module.FS.filesystems?.WORKERFS) {
    const folder = `/drop${serial}`;
    module.FS.mkdir(folder);
    module.FS.mount(module.FS.filesystems.WORKERFS, { blobs: [{ name, data: source.blob }] }, folder);
    return `${folder}/${name}`;
  }
  module.FS.writeFile(`/${name}`, new Uint8Array(new FileReaderSync().readAsArrayBuffer(source.blob)));
  return `/${name}`;
}

function open(id, source) {
  const before = files.get(id);
  if (before) before.file.close();
  const path = mount(source);
  const file = new h5wasm.File(path, 'r');
  if (before?.path.startsWith('/run')) module.FS.unlink(before.path);
  files.set(id, { file, source, path });
  const about = attributes(file);
  if (about.layout_version !== 1) {
    throw new Error(about.layout_version ? `layout:${about.layout_version}` : 'foreign:');
  }
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
    if (!ArrayBuffer.isView(value)) return [value];
    const data = value instanceof BigInt64Array ? Float64Array.from(value, Number) : value.slice();
    return [data, [data.buffer]];
  },
  // values of one place over chosen steps; a value is one chunk, so only those chunks are read
  series({ id, name, steps, index }) {
    const dataset = files.get(id).file.get(name);
    const values = new Float64Array(steps.length);
    steps.forEach((step, i) => {
      const read = dataset.slice([[step, step + 1], ...index.map((k) => [k, k + 1])]);
      values[i] = Number(read[0]);
    });
    return [values, [values.buffer]];
  },
};

onmessage = async ({ data: { serial: call, operation, given } }) => {
  try {
    module ??= await h5wasm.ready;
    const [result, transfer] = operations[operation](given);
    postMessage({ serial: call, result }, transfer ?? []);
  } catch (error) {
    postMessage({ serial: call, error: error instanceof Error ? error.message : String(error) });
  }
};
