import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import OpenAI, { APIError } from "openai";
import { MODEL, startTestHeadgate, type TestHeadgate } from "../system/headgate.ts";
import { type CliResult, runCli } from "./run.ts";

/** One real supervisor and worker; commands run beside it. */
let headgate: TestHeadgate;
before(async () => {
  headgate = await startTestHeadgate({ workers: ["worker-1"] });
});
after(() => headgate.stop());

const onLedger = (...given: string[]): Promise<CliResult> =>
  runCli(...given, "--config", headgate.configPath);

async function inJson<T>(...given: string[]): Promise<T> {
  const { code, stdout, stderr } = await onLedger(...given, "--json");
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as T;
}

interface Line {
  account: string;
  unit: string;
  window: string;
  limit: string | null;
  used: string;
  held: string;
  remaining: string | null;
}

async function lineOf(account: string, unit: string): Promise<Line | undefined> {
  const { budgets } = await inJson<{ budgets: Line[] }>("budgets");
  return budgets.find((line) => line.account === account && line.unit === unit);
}

function ask(secret: string): Promise<unknown> {
  const client = new OpenAI({ baseURL: `${headgate.url}/v1`, apiKey: secret, maxRetries: 0 });
  return client.chat.completions.create({
    model: MODEL,
    messages: [{ role: "user", content: "What is 2 + 2?" }],
    max_tokens: 4,
  });
}

const refusedWith = (status: number, code: string) => (error: unknown) =>
  error instanceof APIError && error.status === status && error.code === code;

test("a key created beside a running supervisor works at once, spends under its limit, and no further", async () => {
  const limits = ["--limit", "requests=2", "--limit", "usd=1/day"];
  const created = await inJson<{ secret: string }>("keys", "create", "alice", "--tenant", "acme", ...limits);
  await ask(created.secret);
  await ask(created.secret);
  await assert.rejects(ask(created.secret), refusedWith(402, "budget_insufficient"));
  const requests = await lineOf("global/acme/alice", "requests");
  assert.deepEqual([requests?.used, requests?.held, requests?.remaining], ["2", "0", "0"]);
  const tenant = await lineOf("global/acme", "usd");
  assert.equal(tenant?.limit, null);
  assert.ok(Number(tenant.used) > 0);

  assert.equal((await onLedger("budgets", "set", "acme/alice", "requests", "3")).code, 0);
  await untilAnswered(created.secret);
});

/** A limit that was raised binds within a fraction of a second; until then the call is refused. */
async function untilAnswered(secret: string): Promise<void> {
  for (;;) {
    try {
      return void (await ask(secret));
    } catch (error) {
      if (!refusedWith(402, "budget_insufficient")(error)) throw error;
    }
  }
}

test("keys are listed without their secrets, refused once disabled, and good again with a new one", async () => {
  const { secret } = await inJson<{ secret: string }>("keys", "create", "bob", "--tenant", "acme");
  const { stdout } = await onLedger("keys", "list");
  assert.match(stdout, /acme\/bob +spend +hg-.{5}… +enabled/);
  assert.ok(!stdout.includes(secret));
  assert.equal((await onLedger("keys", "disable", "acme/bob")).code, 0);
  await untilRefused(secret);
  assert.equal((await onLedger("keys", "enable", "acme/bob")).code, 0);
  const rotated = await inJson<{ secret: string }>("keys", "rotate", "acme/bob");
  await ask(rotated.secret);
  await assert.rejects(ask(secret), refusedWith(401, "invalid_api_key"));
});

async function untilRefused(secret: string): Promise<void> {
  for (;;) {
    try {
      await ask(secret);
    } catch (error) {
      if (refusedWith(401, "invalid_api_key")(error)) return;
      throw error;
    }
  }
}

test("limits are set, shown and removed", async () => {
  const set = await onLedger("budgets", "set", "global", "usd", "0.25", "--per", "day");
  assert.equal(set.stdout, "global: 0.25 USD a day\n");
  const { stdout } = await onLedger("budgets");
  assert.match(stdout, /^account +unit +window +limit +used +held +remaining +resets +thresholds\n/);
  assert.match(stdout, /\nglobal +usd +day +0\.25 .*T00:00:00\.000Z/);
  const removed = await onLedger("budgets", "remove", "global", "usd", "--per", "day");
  assert.equal(removed.code, 0);
  assert.equal((await lineOf("global", "usd"))?.limit, null);
});

test("a limit that nobody spends under yet is set, and said to wait", async () => {
  assert.equal((await onLedger("keys", "create", "erin", "--tenant", "corp_1")).code, 0);
  const notes: [string, string][] = [
    ["corp_1/erik", "No key spends under corp_1/erik yet; the limit waits for one.\n"],
    ["corpo1", "No key spends under corpo1 yet; the limit waits for one.\n"],
    ["corp_1/erin", ""],
    ["corp_1", ""],
    ["global", ""],
    ["local", ""],
  ];
  for (const [account, note] of notes) {
    const { code, stderr } = await onLedger("budgets", "set", account, "requests", "1000000");
    assert.deepEqual([code, stderr], [0, note], account);
  }
});

test("what a limit does before it is reached is said in words", async () => {
  const set = ["budgets", "set", "corp_1", "tokens", "1000", "--per", "hour"];
  const { stdout } = await onLedger(...set, "--alert", "80", "--shorten", "90:256", "--stop-at", "98");
  const words = "alert at 80 %, at most 256 tokens an answer at 90 %, stop at 98 %";
  assert.equal(stdout, `global/corp_1: 1000 tokens an hour; ${words}\n`);
  assert((await onLedger("budgets", "show", "corp_1")).stdout.includes(words));
  const { code, stderr } = await onLedger(...set, "--shorten", "90");
  assert.equal(code, 1);
  assert.match(stderr, /such as 80:512/);
});

test("a band that the configuration does not have is warned of", async () => {
  const set = ["budgets", "set", "corp_1", "requests", "10", "--hold-low-priority"];
  const { code, stderr } = await onLedger(...set, "90:nope");
  assert.equal(code, 0);
  assert.match(stderr, /there is no band "nope"; choose among high, low, normal/);
  assert.doesNotMatch((await onLedger(...set, "90:high")).stderr, /band/);
});

test("a limit that is less than an answer needs of GPUs to begin is set, and warned of", async () => {
  const set = ["budgets", "set", "corp_1", "gpu_seconds"];
  const { code, stderr } = await onLedger(...set, "0.001");
  assert.equal(code, 0);
  assert.match(stderr, /no answer of these models begins under that limit.* budgets\.gpu_packet_seconds/);
  assert.doesNotMatch((await onLedger(...set, "36000")).stderr, /begins/);
});

test("keys and limits need nothing of the configuration but where the ledger is", async () => {
  const folder = mkdtempSync(join(tmpdir(), "headgate-cli-"));
  const configPath = join(folder, "headgate.yaml");
  const run = (...given: string[]): Promise<CliResult> => runCli(...given, "--config", configPath);
  writeFileSync(configPath, "state: here\nmodels:\n  a: {path: no/such.gguf}\nprots: 1\n");
  assert.equal((await run("keys", "create", "alice")).code, 0);
  assert.equal((await run("budgets", "set", "default/alice", "usd", "5")).code, 0);
  assert.ok(existsSync(join(folder, "here", "ledger.db")));
  writeFileSync(configPath, "server: {}\nstate: 7\n");
  assert.match((await run("keys", "list")).stderr, /headgate\.yaml:2:\d+: state: /);
  writeFileSync(configPath, "server: {}\nstate: [\n");
  assert.match((await run("budgets")).stderr, /headgate\.yaml:\d+:\d+: /);
  rmSync(folder, { recursive: true });
});

test("what can't be done is said, and what to do instead", async () => {
  const mistakes: [string[], RegExp][] = [
    [["budgets", "set", "acme", "usd", "five"], /"five" is no amount of usd: give USD as a decimal/],
    [["budgets", "remove", "nobody", "usd"], /global\/nobody has no limit on usd/],
    [["keys", "create", "carol", "--limit", "usd"], /write it as usd=5\/day/],
    [["keys", "create", "carol", "--tenant", "global"], /global stands for all tenants together/],
    [["keys", "disable", "acme"], /There is no key acme\./],
    [["keys", "create", "carol", "--tenant", "a", "--account", "a/b"], /--account or --tenant, not both/],
    [["keys", "create", "carol", "--account", "global"], /belongs to a tenant/],
    [["keys", "create", "carol", "--role", "root"], /no role "root"; choose among admin, read, spend/],
    [
      ["budgets", "set", "acme", "usd", "5", "--per", "month", "--zone", "Berlin"],
      /did you mean Europe\/Berlin\?/,
    ],
    [
      ["budgets", "set", "acme", "usd", "5", "--per", "hour", "--zone", "Europe/Berlin"],
      /leave it out for hour/,
    ],
    [["budgets", "set", "acme", "token", "5"], /did you mean tokens\?/],
    [["budgets", "show", "nobody"], /There is no account nobody: it has no key/],
    [["budgets", "alert"], /There is no account alert: .* Did you mean `headgate budgets alerts`\?/],
    [["keys", "create", "carol", "--limit", "usd=1", "--limit", "usd=2"], /usd \(total\) is given twice/],
    [["keys", "create", "carol", "--role", "read", "--limit", "usd=1"], /role read spends nothing/],
    [["chargeback", "--month", "2026-13"], /"2026-13" is no month/],
    [["chargeback", "--by", "modle"], /did you mean model\?/],
    [["keys", "rotate", "acme/nobody"], /There is no key acme\/nobody/],
  ];
  for (const [given, message] of mistakes) {
    const { code, stderr } = await onLedger(...given);
    assert.equal(code, 1, given.join(" "));
    assert.match(stderr, message);
  }
  const twice = ["keys", "create", "dave"];
  assert.equal((await onLedger(...twice)).code, 0);
  assert.match(
    (await onLedger(...twice)).stderr,
    /is a key default\/dave already.*keys rotate default\/dave/,
  );
});
