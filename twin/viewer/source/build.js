// Builds ../static from these sources: node build.js. The hashes of sources and bundle go to ../static/build.csv, which
// a test compares with the files, so that the committed bundle is always that of the committed sources.
import { createHash } from 'node:crypto';
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';

const target = '../static';
for (const [entry, name] of [['viewer.js', 'viewer.js'], ['worker.js', 'worker.js']]) {
  await build({
    entryPoints: [entry],
    outfile: `${target}/${name}`,
    bundle: true,
    minify: true,
    format: 'iife',
    target: 'es2022',
    legalComments: 'inline',
    logLevel: 'warning',
  });
}
for (const name of ['index.html', 'style.css']) copyFileSync(name, `${target}/${name}`);

const hash = (path) => createHash('sha256').update(readFileSync(path)).digest('hex');
const listed = (folder, names) => names.sort().map((n) => `${folder}/${n},${hash(folder === 'source' ? n : `${target}/${n}`)}`);
const sources = readdirSync('.').filter((n) => /\.(js|json|html|css)$/.test(n));
const built = readdirSync(target).filter((n) => n !== 'build.csv');
writeFileSync(`${target}/build.csv`, ['file,sha256', ...listed('source', sources), ...listed('static', built), ''].join('\n'));
