// Colour scales that read with colour blindness: lightness alone tells the order. viridis and cividis: matplotlib, CC0;
// difference: ColorBrewer RdBu, Apache-2.0; kinds: Paul Tol's "muted" set, made for colour blindness. The others are
// drawn for a light map: pale where there is little, dark where there is much.
import { DataTexture, LinearFilter, NearestFilter, NoColorSpace } from 'three';

const STOPS = {
  moss: ['f4f1e6', 'dfe6cc', 'bcd6b3', '8cc1a4', '58a698', '2f8689', '1f6577', '1c4560', '1b2a49'],
  ember: ['f6e3c0', 'f3c78b', 'efa45c', 'e27d43', 'c9563f', 'a4363f', '84253f', '631a3b', '451433'],
  violet: ['ece8f4', 'd5cde8', 'b9abd9', '9c89c7', '8067b2', '66489a', '4e2d7c', '37185b', '220a3a'],
  viridis: ['fde725', 'b4de2c', '6dcd59', '35b779', '1f9e89', '26828e', '31688e', '3e4a89', '482878', '440154'],
  cividis: ['fee838', 'e1cc55', 'c3b369', 'a59c74', '8a8678', '707173', '575d6d', '3b496c', '123570', '00224e'],
  difference: ['2166ac', '67a9cf', 'd1e5f0', 'f7f7f7', 'fddbc7', 'ef8a62', 'b2182b'],
};
export const PALETTES = Object.keys(STOPS).filter((name) => name !== 'difference');
const KINDS = ['332288', '44aa99', 'ddcc77', 'cc6677', '117733', '88ccee', '882255', '999933', 'aa4499'];

const parse = (hex) => [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16));

function texture(bytes, filter) {
  const made = new DataTexture(bytes, bytes.length / 4, 1);
  made.minFilter = made.magFilter = filter;
  made.colorSpace = NoColorSpace;
  made.needsUpdate = true;
  return made;
}

export const SCALES = Object.fromEntries(
  Object.entries(STOPS).map(([name, stops]) => {
    const rgb = stops.map(parse);
    const bytes = new Uint8Array(256 * 4);
    for (let i = 0; i < 256; i++) {
      const at = (i / 255) * (rgb.length - 1);
      const k = Math.min(Math.floor(at), rgb.length - 2);
      for (let j = 0; j < 3; j++) bytes[4 * i + j] = Math.round(rgb[k][j] + (rgb[k + 1][j] - rgb[k][j]) * (at - k));
      bytes[4 * i + 3] = 255;
    }
    return [name, { texture: texture(bytes, LinearFilter), bytes, css: `linear-gradient(90deg, ${stops.map((s) => `#${s}`).join(', ')})` }];
  }),
);

// One colour per kind (a code with a meaning): texture over the range of the numbers.
export function kindScale(kinds) {
  const numbers = [...kinds.keys()].sort((a, b) => a - b);
  const [low, high] = [numbers[0], numbers.at(-1)];
  const bytes = new Uint8Array((high - low + 1) * 4).fill(158);
  const colours = new Map();
  numbers.forEach((v, i) => {
    const hex = KINDS[i % KINDS.length];
    bytes.set([...parse(hex), 255], 4 * (v - low));
    colours.set(v, `#${hex}`);
  });
  return { texture: texture(bytes, NearestFilter), range: [low - 0.5, high + 0.5], colours };
}

// Range that shows most values: 1 to 99 per cent of the finite ones, around 0 for a difference.
export function spread(arrays, around) {
  const sample = [];
  for (const values of arrays) {
    const stride = Math.max(1, Math.floor(values.length / 4000));
    for (let i = 0; i < values.length; i += stride) if (Number.isFinite(values[i])) sample.push(values[i]);
  }
  if (!sample.length) return [0, 1];
  sample.sort((a, b) => a - b);
  const at = (share) => sample[Math.min(sample.length - 1, Math.round(share * (sample.length - 1)))];
  if (around) {
    const most = Math.max(Math.abs(at(0.01)), Math.abs(at(0.99)), Math.abs(sample[0]) * 0.1, Math.abs(sample.at(-1)) * 0.1);
    return most > 0 ? [-most, most] : [-1, 1];
  }
  let [low, high] = [at(0.01), at(0.99)];
  if (low >= 0 && low < 0.3 * high) low = 0;
  if (high <= low) high = sample.at(-1) > low ? sample.at(-1) : low + 1;
  return [low, high];
}
