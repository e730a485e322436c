// Colour scales, all readable with colour blindness: viridis and inferno (matplotlib, CC0), and a blue-red diverging
// scale (ColorBrewer RdBu, Apache-2.0) for differences.
import { DataTexture, LinearFilter } from 'three';

const STOPS = {
  viridis: ['440154', '482878', '3e4a89', '31688e', '26828e', '1f9e89', '35b779', '6dcd59', 'b4de2c', 'fde725'],
  inferno: ['1b0c41', '4a0c6b', '781c6d', 'a52c60', 'cf4446', 'ed6925', 'fb9b06', 'f7d13d'],
  sand: ['f3efe4', 'e3e2c3', 'bfd3a6', '8dbf95', '57a68e', '2d8a88', '1f6b7d', '1d4a6b', '1e2a52'],
  difference: ['2166ac', '67a9cf', 'd1e5f0', 'f7f7f7', 'fddbc7', 'ef8a62', 'b2182b'],
};

const parse = (hex) => [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16));

export const SCALES = Object.fromEntries(
  Object.entries(STOPS).map(([name, stops]) => {
    const rgb = stops.map(parse);
    const bytes = new Uint8Array(256 * 4);
    for (let i = 0; i < 256; i++) {
      const at = (i / 255) * (rgb.length - 1);
      const k = Math.min(Math.floor(at), rgb.length - 2);
      for (let j = 0; j < 3; j++) bytes[4 * i + j] = rgb[k][j] + (rgb[k + 1][j] - rgb[k][j]) * (at - k);
      bytes[4 * i + 3] = 255;
    }
    const texture = new DataTexture(bytes, 256, 1);
    texture.minFilter = texture.magFilter = LinearFilter;
    texture.needsUpdate = true;
    return [name, { texture, css: `linear-gradient(90deg, ${stops.map((s) => `#${s}`).join(', ')})` }];
  }),
);

// Range that shows most values: 1 to 99 per cent of the finite ones, around 0 for a difference.
export function spread(arrays, difference) {
  const sample = [];
  for (const values of arrays) {
    const stride = Math.max(1, Math.floor(values.length / 4000));
    for (let i = 0; i < values.length; i += stride) if (Number.isFinite(values[i])) sample.push(values[i]);
  }
  if (!sample.length) return [0, 1];
  sample.sort((a, b) => a - b);
  const at = (share) => sample[Math.min(sample.length - 1, Math.round(share * (sample.length - 1)))];
  if (difference) {
    const most = Math.max(Math.abs(at(0.01)), Math.abs(at(0.99)), Math.abs(sample[0]) * 1e-3, Math.abs(sample.at(-1)) * 0.1);
    return most > 0 ? [-most, most] : [-1, 1];
  }
  let [low, high] = [at(0.01), at(0.99)];
  if (low >= 0 && low < 0.3 * high) low = 0;
  if (high <= low) high = sample.at(-1) > low ? sample.at(-1) : low + 1;
  return [low, high];
}

export function written(value) {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size && (size < 1e-3 || size >= 1e6)) return value.toExponential(2);
  return value.toLocaleString('en', { maximumSignificantDigits: 4 });
}
