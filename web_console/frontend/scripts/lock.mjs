// Rewrites package-lock.json after a change of package.json, without any address: packages are told apart by version and
// integrity hash, and each machine's own npm settings say where they come from. Run as `npm run lock`.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const lockFile = fileURLToPath(new URL("../package-lock.json", import.meta.url));
const npm = process.env.npm_execpath;
if (npm === undefined) throw new Error("Run this as `npm run lock`.");

const done = spawnSync(process.execPath, [npm, "install", "--package-lock-only"], { stdio: "inherit" });
if (done.status !== 0) process.exit(done.status ?? 1);

const lock = JSON.parse(readFileSync(lockFile, "utf8"));
for (const entry of Object.values(lock.packages)) {
  delete entry.resolved;
  delete entry.funding;
}
const text = `${JSON.stringify(lock, null, 2)}\n`;
if (/https?:/.test(text)) throw new Error("package-lock.json still holds an address.");
writeFileSync(lockFile, text);
