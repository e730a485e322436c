// Values of datasets of a run file as h5wasm gives them: node read_run.mjs FILE NAME START COUNT [NAME START COUNT ...]
import fs from "node:fs";
import h5wasm, { ready } from "h5wasm/node";

await ready;
const [path, ...wanted] = process.argv.slice(2);
const file = new h5wasm.File(path, "r");
const answer = { steps: file.attrs.steps_written.value, status: file.attrs.output_status.value };
answer.values = [];
for (let i = 0; i < wanted.length; i += 3) {
  const dataset = file.get(wanted[i]);
  const first = Number(wanted[i + 1]);
  const ranges = dataset.shape.map(() => []);
  ranges[0] = [first, first + Number(wanted[i + 2])];
  answer.values.push(Array.from(dataset.slice(ranges), (v) => (Number.isNaN(v) ? null : Number(v))));
}
fs.writeSync(1, JSON.stringify(answer));
