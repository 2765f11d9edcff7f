import assert from "node:assert/strict";
import { test } from "node:test";
import { runCli } from "../cli/run.ts";
import { pidsOf, type ReplicaStatus, statusOfAll } from "../replicas/replicas.ts";
import { until } from "../system/headgate.ts";
import { BarrierWorker } from "./barrier-worker.ts";
import { MODEL, sumUp, SupervisorHome, type SupervisorProcess } from "./supervisor-process.ts";

const ACCOUNT = "global/local";
/** At 1 USD for a million tokens of the answer, and nothing for the prompt: 0.000008 USD. */
const TOKENS = 8;
const SUPERVISORS = 3;
/** So that several supervisors get them in turn. */
const OWN_CONNECTION = { connection: "close" };

interface Slice {
  status: string;
  remaining: { usd?: string; requests?: string };
  released?: { usd?: string };
}

/** It knows the worker. */
function isReady({ workers }: ReplicaStatus): boolean {
  return workers.length === 1;
}

async function call(
  url: string,
  method: string,
  path: string,
  body?: object,
): Promise<{ status: number; slice: Slice }> {
  const response = await fetch(`${url}/v1/accounts${path}`, {
    method,
    headers: OWN_CONNECTION,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, slice: (await response.json()) as Slice };
}

/** The status; null when the connection broke. */
async function spend({ url }: SupervisorProcess, account: string): Promise<number | null> {
  try {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "x-headgate-account": account, ...OWN_CONNECTION },
      body: JSON.stringify({
        model: MODEL,
        max_tokens: TOKENS,
        ignore_eos: true,
        messages: [{ role: "user", content: "Count." }],
      }),
    });
    await response.arrayBuffer();
    return response.status;
  } catch {
    return null;
  }
}

test("a slice outlives a supervisor that is killed, and what ran under it is posted in doubt and missing from it", async () => {
  const home = new SupervisorHome();
  const workers = [await BarrierWorker.start(), await BarrierWorker.start()] as const;
  try {
    home.setLimit({ account: ACCOUNT, unit: "usd", window: "total", amount: "100000" });
    const first = await home.start();
    await workers[0].register(first.url);
    const opened = await call(first.url, "POST", "", {
      name: "agent",
      amounts: { usd: "0.00004", requests: 4 },
    });
    assert.equal(opened.status, 201);
    const lost = spend(first, "agent/task");
    await workers[0].arrival(1);
    await first.kill();
    assert.equal(await lost, null);

    const second = await home.start();
    await workers[1].register(second.url);
    const { slice: left } = await call(second.url, "GET", "/agent");
    assert.deepEqual([left.status, left.remaining.requests], ["open", "3"]);
    assert(Number(left.remaining.usd) <= 0.000032);
    // Nobody else can have what the slice holds: 100 less 40, of which a request takes 8.
    workers[1].open();
    assert.equal(await spend(second, "agent/task"), 200);
    const shown = await runCli("budgets", "--config", home.configPath);
    assert.match(shown.stdout, /^global\/local\/agent +usd +slice +0\.00004 +0\.000016 +0 +0\.000024 /m);
    assert.match(shown.stdout, /^global\/local\/agent +requests +slice +4 +2 +0 +2 /m);

    const { slice: closed } = await call(second.url, "DELETE", "/agent");
    assert.deepEqual([closed.status, closed.released?.usd], ["closed", "0.000024"]);
    assert.equal(await spend(second, "agent/task"), 410);
    await second.stop();

    // A third one remembers that it is closed, and who reads the entries alone finds the same.
    const third = await home.start();
    await workers[1].register(third.url);
    assert.equal(await spend(third, "agent/task"), 410);
    assert.equal((await call(third.url, "POST", "", { name: "agent", amounts: { usd: 1e-6 } })).status, 409);
    await third.stop();
    const { posted, held, inDoubt } = sumUp(home.entries(), ACCOUNT);
    assert.deepEqual({ posted, held, inDoubt }, { posted: 16_000n, held: 0n, inDoubt: 8_000n });
    const verdict = await runCli("audit", "verify", "--config", home.configPath);
    assert.equal(verdict.code, 0, verdict.stdout + verdict.stderr);
  } finally {
    await Promise.all(workers.map((worker) => worker.close()));
    home.remove();
  }
});

test("several supervisors draw on one slice to the last of it, across the end of one of them, and close it at all of them", async () => {
  const home = new SupervisorHome();
  const worker = await BarrierWorker.start();
  try {
    home.setLimit({ account: ACCOUNT, unit: "usd", window: "total", amount: "100000" });
    const several = await home.start("--supervisors", String(SUPERVISORS));
    await worker.register(several.url);
    const [victim] = pidsOf(await statusOfAll(several.url, SUPERVISORS, isReady));
    const opening = { name: "agent", amounts: { usd: "0.00004" } };
    assert.equal((await call(several.url, "POST", "", opening)).status, 201);
    assert.equal((await call(several.url, "POST", "", opening)).status, 409);

    // It has room for five of them, whoever takes them in.
    const spent = Promise.all(Array.from({ length: 12 }, () => spend(several, "agent/task")));
    await worker.arrival(5);
    process.kill(victim!, "SIGKILL");
    await until(() => sumUp(home.entries(), ACCOUNT).inDoubt > 0n);
    worker.open();
    const statuses = await spent;
    assert(statuses.every((status) => status === null || [200, 402, 429].includes(status)));
    await statusOfAll(several.url, SUPERVISORS, isReady);
    const { completed, inDoubt } = sumUp(home.entries(), ACCOUNT);
    assert.equal(completed, statuses.filter((status) => status === 200).length);
    assert.equal(BigInt(completed) * 8_000n + inDoubt, 40_000n);
    assert.equal((await call(several.url, "GET", "/agent")).slice.remaining.usd, "0");

    const other = { name: "other", amounts: { usd: "0.00003", requests: 3 } };
    assert.equal((await call(several.url, "POST", "", other)).status, 201);
    // 40 are spent and 30 set aside, so that three times 8 is all that others have.
    const outside = await Promise.all(Array.from({ length: 6 }, () => spend(several, "elsewhere")));
    assert.equal(outside.filter((status) => status === 200).length, 3);
    assert.equal(await spend(several, "other"), 200);
    const { slice } = await call(several.url, "DELETE", "/other");
    assert.deepEqual([slice.status, slice.released?.usd], ["closed", "0.000022"]);
    const late = await Promise.all(Array.from({ length: 6 }, () => spend(several, "other/task")));
    assert.deepEqual(new Set(late), new Set([410]));
    assert.equal(await spend(several, "elsewhere"), 200);
    await several.stop();
    assert.equal(sumUp(home.entries(), ACCOUNT).held, 0n);
    const verdict = await runCli("audit", "verify", "--config", home.configPath);
    assert.equal(verdict.code, 0, verdict.stdout + verdict.stderr);
  } finally {
    await worker.close();
    home.remove();
  }
});

test("a slice that one supervisor has opened goes on with several, and theirs with one", async () => {
  const home = new SupervisorHome();
  const workers = [await BarrierWorker.start(), await BarrierWorker.start()] as const;
  for (const worker of workers) worker.open();
  try {
    const single = await home.start();
    const opening = { name: "agent", amounts: { usd: "0.00004" } };
    assert.equal((await call(single.url, "POST", "", opening)).status, 201);
    await single.stop();

    const several = await home.start("--supervisors", String(SUPERVISORS));
    await workers[0].register(several.url);
    await statusOfAll(several.url, SUPERVISORS, isReady);
    assert.equal(await spend(several, "agent"), 200);
    const nested = await fetch(`${several.url}/v1/accounts`, {
      method: "POST",
      headers: { "x-headgate-account": "agent", ...OWN_CONNECTION },
      body: JSON.stringify({ name: "inner", amounts: { usd: "0.00002" } }),
    });
    assert.equal(nested.status, 201);
    assert.equal((await call(several.url, "GET", "/agent")).slice.remaining.usd, "0.000012");
    await several.stop();

    const again = await home.start();
    await workers[1].register(again.url);
    assert.equal(await spend(again, "agent/inner"), 200);
    assert.equal((await call(again.url, "GET", "/agent/inner")).slice.remaining.usd, "0.000012");
    const { slice } = await call(again.url, "DELETE", "/agent");
    assert.equal(slice.released?.usd, "0.000024");
    await again.stop();
    assert.equal(sumUp(home.entries(), ACCOUNT).held, 0n);
  } finally {
    await Promise.all(workers.map((worker) => worker.close()));
    home.remove();
  }
});
