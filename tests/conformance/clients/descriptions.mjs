// The generated descriptions, judged by the tools that other people read them with.

import { execFile } from "node:child_process";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Parser, fromFile } from "@asyncapi/parser";
import { assert, BASE, call } from "./report.mjs";

const { DOCS } = process.env;
const HERE = import.meta.dirname ?? new URL(".", import.meta.url).pathname;
const run = promisify(execFile);
const folder = await mkdtemp(join(tmpdir(), "reelzero-descriptions-"));
const openapi = join(folder, "openapi.json");
await writeFile(openapi, await (await fetch(`${BASE}/openapi.json`)).text());

// Runs a command of this environment; what it prints is the error if it fails.
async function tool(name, ...options) {
  try {
    return await run(join(HERE, "node_modules", ".bin", name), options, { cwd: folder, maxBuffer: 1 << 24 });
  } catch (error) {
    throw new Error((error.stdout + error.stderr).slice(-280));
  }
}

await call("OpenAPI: spectral lint, its OpenAPI rules, no error", async () => {
  const rules = join(folder, "spectral.yaml");
  await writeFile(rules, "extends: [[spectral:oas, all]]\n");
  await tool("spectral", "lint", "--ruleset", rules, "--fail-severity", "error", openapi);
  return "no error";
});

await call("OpenAPI: redocly lint, its recommended rules, no error", async () => {
  await tool("redocly", "lint", "--extends", "recommended", openapi);
  return "no error";
});

await call("OpenAPI: openapi-typescript, and the types compile", async () => {
  await tool("openapi-typescript", openapi, "--output", join(folder, "api.ts"));
  const use = 'import type { components, paths } from "./api";\n'
    + 'export type Submit = paths["/v1/jobs"]["post"];\n'
    + 'export const body: components["schemas"]["JobRequest"] = { prompt: "a red circle" } as never;\n';
  await writeFile(join(folder, "use.ts"), use);
  await tool("tsc", "--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--moduleResolution",
    "bundler", "--module", "es2022", "use.ts");
  return `${(await readFile(join(folder, "api.ts"), "utf8")).split("\n").length} lines of types`;
});

await call("AsyncAPI: the official parser, no error", async () => {
  const { document, diagnostics } = await fromFile(new Parser(), join(DOCS, "asyncapi.yaml")).parse();
  const errors = diagnostics.filter((one) => one.severity === 0);
  assert(document && errors.length === 0, errors.map((one) => one.message));
  return `${document.messages().all().length} messages, ${diagnostics.length} hints`;
});
