import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startTestHeadgate, type TestHeadgate } from "../system/headgate.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../", import.meta.url));
const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
const path = fileURLToPath(new URL("../../models/headgate-4m.gguf", import.meta.url));

let headgate: TestHeadgate;
before(async () => {
  const models = { "headgate-4m": { path } };
  const workers = [{ id: "one", models: ["headgate-4m"], threads: 1 }];
  const sections = { models, workers, aliases: { default: "headgate-4m" } };
  headgate = await startTestHeadgate({ workers: ["one"], sections });
});
after(() => headgate.stop());

/** The first block of the README in that language which contains the text, pointed at the server under test. */
function block(language: string, text: string): string {
  const blocks = readme.matchAll(/^```(\w+)\n([^]*?)^```/gm);
  const found = [...blocks].find(([, name, code]) => name === language && code!.includes(text));
  assert.ok(found, `the README has a block in ${language} with ${text}`);
  return found[2]!.replaceAll("http://127.0.0.1:1337", headgate.url);
}

test("the README's example for OpenAI clients answers Paris", async () => {
  const code = block("js", "chat.completions");
  const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", code], { cwd: root });
  assert.match(stdout, /Paris/);
});

test("examples/chat.js answers Paris", async () => {
  const { stdout } = await run(process.execPath, ["examples/chat.js", `${headgate.url}/v1`], { cwd: root });
  assert.match(stdout, /Paris/);
});

test("the README's curl line streams", { skip: hasCurl() ? false : "curl is not installed" }, async () => {
  const { stdout } = await run("sh", ["-c", block("sh", "curl -N")]);
  assert.match(stdout, /^data: .*"content":/m);
  assert.match(stdout, /^data: \[DONE\]$/m);
});

function hasCurl(): boolean {
  try {
    execFileSync("curl", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
