// Issues that the Khronos validator finds in each glTF: node validate_gltf.mjs FILE ...
import fs from "node:fs";
import validator from "gltf-validator";

const answer = {};
for (const path of process.argv.slice(2)) {
  const report = await validator.validateBytes(new Uint8Array(fs.readFileSync(path)));
  answer[path] = { ...report.issues, extensions: report.info.extensionsUsed ?? [] };
}
fs.writeSync(1, JSON.stringify(answer));
