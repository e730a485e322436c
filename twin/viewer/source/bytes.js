// Bytes of a run file for HDF5, in blocks that a fixed memory holds: from the server by HTTP Range (a synchronous
// request, which a worker may do) or from a file that the user dropped. Nothing is read that is not asked for.

const BLOCK = 1 << 15;
const MOST = 96e6; // bytes of blocks kept

export class ServedBytes {
  constructor(url) {
    this.url = url;
    const request = this.ask('HEAD');
    this.size = Number(request.getResponseHeader('Content-Length'));
    this.version = request.getResponseHeader('ETag');
    if (request.getResponseHeader('Accept-Ranges') !== 'bytes') throw new Error('range:');
  }

  ask(method, from, to) {
    const request = new XMLHttpRequest();
    request.open(method, this.url, false);
    if (method === 'GET') {
      request.responseType = 'arraybuffer';
      request.setRequestHeader('Range', `bytes=${from}-${to - 1}`);
    }
    request.send(null);
    if (request.status !== (method === 'GET' ? 206 : 200)) throw new Error(`answer:${request.status}`);
    return request;
  }

  // A file that was written meanwhile must not be put together from two states.
  read(from, to) {
    const request = this.ask('GET', from, to);
    return request.getResponseHeader('ETag') === this.version ? new Uint8Array(request.response) : null;
  }
}

export class DroppedBytes {
  constructor(blob) {
    this.blob = blob;
    this.size = blob.size;
  }

  read(from, to) {
    return new Uint8Array(new FileReaderSync().readAsArrayBuffer(this.blob.slice(from, to)));
  }
}

// Puts `source` into the worker's file system as `path`; `changed` becomes true where its bytes are another file's.
export function mount(FS, path, source) {
  const blocks = new Map(); // number -> bytes, oldest first
  const state = { changed: false, failed: null };
  const most = Math.floor(MOST / BLOCK);

  function fetchBlocks(first, last) {
    const bytes = source.read(first * BLOCK, Math.min((last + 1) * BLOCK, source.size));
    if (!bytes) {
      state.changed = true;
      throw new FS.ErrnoError(29); // EIO: HDF5 ends its reading in order, and the worker opens the file again
    }
    for (let k = first; k <= last; k++) blocks.set(k, bytes.subarray((k - first) * BLOCK, (k - first + 1) * BLOCK));
  }

  const node = FS.createFile('/', path, {}, true, false);
  node.usedBytes = source.size;
  node.stream_ops = {
    ...node.stream_ops,
    read(stream, buffer, offset, length, position) {
      const end = Math.min(position + length, source.size);
      if (end <= position) return 0;
      const [first, last] = [Math.floor(position / BLOCK), Math.floor((end - 1) / BLOCK)];
      try {
        for (let k = first; k <= last; k++) {
          if (blocks.has(k)) continue;
          let until = k;
          while (until < last && !blocks.has(until + 1)) until++;
          fetchBlocks(k, until);
          k = until;
        }
      } catch (error) {
        if (!state.changed) state.failed = error;
        throw error instanceof FS.ErrnoError ? error : new FS.ErrnoError(29);
      }
      for (let k = first; k <= last; k++) {
        const bytes = blocks.get(k);
        blocks.delete(k); // to the young end
        blocks.set(k, bytes);
        const [from, to] = [Math.max(position, k * BLOCK), Math.min(end, (k + 1) * BLOCK)];
        buffer.set(bytes.subarray(from - k * BLOCK, to - k * BLOCK), offset + from - position);
      }
      for (const old of blocks.keys()) {
        if (blocks.size <= Math.max(most, last - first + 1)) break;
        blocks.delete(old);
      }
      return end - position;
    },
  };
  return state;
}
