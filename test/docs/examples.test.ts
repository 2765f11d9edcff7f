import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { parse } from "yaml";
import { startTestHeadgate, type TestHeadgate } from "../system/headgate.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../", import.meta.url));
const CLI = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
const path = fileURLToPath(new URL("../../models/headgate-4m.gguf", import.meta.url));

/** What `npm start` runs with. */
const demo = parse(readFileSync(new URL("../../headgate.yaml", import.meta.url), "utf8")) as {
  prices: Record<string, object>;
};

let headgate: TestHeadgate;
before(async () => {
  const models = { "headgate-4m": { path } };
  const workers = [{ id: "one", models: ["headgate-4m"], threads: 1 }];
  const prices = { "headgate-4m": demo.prices["headgate-4m"] };
  const sections = { models, workers, prices, aliases: { default: "headgate-4m" } };
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

test(
  "the README's key has a daily budget, and it holds",
  { skip: hasCurl() ? false : "curl is not installed" },
  async () => {
    // Without a key the calls of the other tests are on the house.
    const created = await headgateCommand(block("sh", "keys create"));
    const [secret] = /hg-[\w-]+/.exec(created)!;
    const script = block("sh", "export KEY").replace("hg-...", secret);
    const { stdout } = await run("sh", ["-c", script]);
    const answers = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Answer);
    assert.equal(answers.length, 8);
    const answered = answers.filter(({ usage }) => usage !== undefined);
    const refused = answers.filter(({ error }) => error !== undefined);
    assert(answered.length > 0 && refused.length > 0, stdout);
    const spent = answered.reduce((sum, { usage }) => sum + usage!.cost_usd, 0);
    assert(spent <= 0.0001);
    for (const { error } of refused) {
      assert.partialDeepStrictEqual(error, { code: "budget_exhausted", account: "global/acme/alice" });
    }
    const budgets = block("sh", "budgets set").trim().split("\n");
    const told = await headgateCommand(budgets[0]!);
    assert.match(told, /global\/acme\/alice +usd +day +0\.0001 /);
    for (const line of budgets.slice(1)) await headgateCommand(line);
  },
);

interface Answer {
  usage?: { cost_usd: number };
  error?: object;
}

/** Runs a line such as `npm run --silent headgate -- budgets  # a comment` on the configuration under test. */
async function headgateCommand(line: string): Promise<string> {
  const [, words] = /^npm run --silent headgate -- ([^#]*)/.exec(line)!;
  const args = [CLI, ...words!.trim().split(/\s+/), "--config", headgate.configPath];
  const { stdout } = await run(process.execPath, args);
  return stdout;
}

function hasCurl(): boolean {
  try {
    execFileSync("curl", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
