// Drives a running `pan123 serve` with the npm package `aria2` as it comes from the registry: `clients.py` starts it if the package
// is in the folder that PAN123_NODE_MODULES names.
import { createRequire } from "node:module";
import { strict as assert } from "node:assert";

const [modules, port, secret] = process.argv.slice(2);
const Aria2 = createRequire(modules + "/")("aria2");
const aria2 = new Aria2({ host: "127.0.0.1", port: Number(port), secure: false, secret, path: "/jsonrpc" });

const told = [];
for (const name of ["onDownloadStart", "onDownloadComplete"]) {
  aria2.on(name, ([{ gid }]) => told.push(`${name} ${gid}`));
}
await aria2.open();
const gid = await aria2.call("addUri", ["http://source.example/e"], { out: "e.bin" });
for (const end = Date.now() + 60000; !told.includes(`onDownloadComplete ${gid}`); ) {
  assert(Date.now() < end, "it does not end");
  await new Promise((resolve) => setTimeout(resolve, 50));
}
assert.deepEqual(told, [`onDownloadStart ${gid}`, `onDownloadComplete ${gid}`]);
const [[row], [stat]] = await aria2.multicall([["tellStatus", gid, ["gid", "status"]], ["getGlobalStat"]]);
assert.deepEqual(row, { gid, status: "complete" });
assert.equal(stat.numActive, "0");
await aria2.close();
console.log("npm aria2: added, told of the start and the end, asked by multicall");
