// Makes src/wire/types.gen.ts from src/wire/schema.json, which `python -m web_console.wire_schema` writes from the server's
// own message types. Part of every build, so that the page can't drift from the server.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { compile } from "json-schema-to-typescript";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { $defs } = JSON.parse(readFileSync(here("../src/wire/schema.json"), "utf8"));

const types = await compile({ $defs }, "Wire", {
  additionalProperties: false,
  bannerComment: "// Generated from schema.json by scripts/wire-types.mjs; do not edit.",
  style: { printWidth: 120 },
  unreachableDefinitions: true,
});
// The generator explains who refers to each type and wraps all in one; neither helps a reader.
const readable = types
  .replace(/export interface Wire \{[^}]*\}\n+/, "")
  .replace(/( \*\n)? \* This interface was referenced by `Wire`'s JSON-Schema\n \* via the `definition` "\w+"\.\n/g, "")
  .replace(/\/\*\*\n \*\/\n/g, "")
  .replace(/\/\*\*\n \* ([^\n]+)\n \*\/\n/g, "/** $1 */\n");
writeFileSync(here("../src/wire/types.gen.ts"), readable);
