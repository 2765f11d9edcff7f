import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, test } from "node:test";
import { stringify } from "yaml";
import { CLI, runCli } from "./run.ts";

/** An API that takes requests and never answers. */
let api: Server;
let folder: string;
let configPath: string;
const supervisors: ChildProcess[] = [];

beforeEach(async () => {
  api = createServer().listen(0, "127.0.0.1");
  await once(api, "listening");
  folder = mkdtempSync(join(tmpdir(), "headgate-crash-"));
  configPath = join(folder, "headgate.yaml");
  const url = `http://127.0.0.1:${(api.address() as AddressInfo).port}/v1`;
  const own = { gpus: 8, concurrency_max: 4 };
  const remotes = [{ name: "api", url, models: { silent: "silent" }, context_tokens: 1_000, ...own }];
  const prices = { silent: { input: 1, output: 2, request: 0.5 } };
  writeFileSync(configPath, stringify({ server: { port: 0 }, remotes, prices, log: { level: "silent" } }));
});

afterEach(async () => {
  for (const supervisor of supervisors.splice(0)) await kill(supervisor);
  api.closeAllConnections();
  api.close();
  rmSync(folder, { recursive: true, force: true });
});

async function kill(supervisor: ChildProcess): Promise<void> {
  if (supervisor.exitCode !== null || supervisor.signalCode !== null) return;
  const ended = once(supervisor, "exit");
  supervisor.kill("SIGKILL");
  await ended;
}

/** Starts `headgate up`; resolves once it listens. */
async function up(): Promise<{ supervisor: ChildProcess; url: string }> {
  const supervisor = spawn(process.execPath, [CLI, "up", "--config", configPath], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  supervisors.push(supervisor);
  for await (const line of createInterface({ input: supervisor.stderr })) {
    const listens = /listens on (\S+)/.exec(line);
    if (listens !== null) return { supervisor, url: listens[1]! };
  }
  throw new Error("it ended without listening");
}

interface Report {
  budgets: { account: string; used: string; held: string }[];
  in_doubt: { posts: number; usd: string; gpu_seconds: string };
}

async function budgets(): Promise<Report> {
  const { stdout } = await runCli("budgets", "--json", "--config", configPath);
  return JSON.parse(stdout) as Report;
}

test("what was under way when a supervisor was killed is charged in doubt by the next, and nothing stays held", async () => {
  const first = await up();
  const arrived = once(api, "request");
  const body = JSON.stringify({
    model: "silent",
    max_tokens: 100,
    messages: [{ role: "user", content: "Hi" }],
  });
  const call = fetch(`${first.url}/v1/chat/completions`, { method: "POST", body });
  const broken = assert.rejects(call);
  await arrived;
  const held = await budgets();
  const root = held.budgets.find(({ account }) => account === "global");
  assert.equal(root?.used, "0");
  assert.ok(Number(root.held) > 0.5);

  await kill(first.supervisor);
  await broken;
  const second = await up();
  // Its first entries are written soon after it began to listen.
  let after = await budgets();
  while (after.in_doubt.posts === 0) after = await budgets();
  const { gpu_seconds: time, ...doubt } = after.in_doubt;
  assert.deepEqual(doubt, { posts: 1, usd: root.held });
  // It was held for all that a request may take, of which this is a part.
  assert.ok(Number(time) > 0);
  const charged = after.budgets.find(({ account }) => account === "global/local");
  assert.deepEqual([charged?.used, charged?.held], [root.held, "0"]);
  const table = await runCli("budgets", "--config", configPath);
  assert.match(table.stdout, /In doubt: .* USD and .* GPU-seconds in 1 posts/);

  const ended = once(second.supervisor, "exit");
  second.supervisor.kill("SIGTERM");
  assert.deepEqual(await ended, [0, null]);
  assert.deepEqual((await budgets()).in_doubt, after.in_doubt);
});

test("a second supervisor on the same state is refused", async () => {
  await up();
  const { code, stderr } = await runCli("up", "--config", configPath);
  assert.equal(code, 1);
  assert.match(stderr, /Another supervisor is using .*\.headgate/);
});

test("nobody listens beyond this machine before there is a key", async () => {
  const refused = await runCli("up", "--config", configPath, "--host", "0.0.0.0");
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /headgate keys create/);
});
