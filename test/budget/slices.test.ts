import assert from "node:assert/strict";
import { test } from "node:test";
import { runCli } from "../cli/run.ts";
import { BarrierWorker } from "./barrier-worker.ts";
import { MODEL, sumUp, SupervisorHome, type SupervisorProcess } from "./supervisor-process.ts";

const ACCOUNT = "global/local";
/** At 1 USD for a million tokens of the answer, and nothing for the prompt: 0.000008 USD. */
const TOKENS = 8;

interface Slice {
  status: string;
  remaining: { usd?: string; requests?: string };
  released?: { usd?: string };
}

async function call(
  url: string,
  method: string,
  path: string,
  body?: object,
): Promise<{ status: number; slice: Slice }> {
  const response = await fetch(`${url}/v1/accounts${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, slice: (await response.json()) as Slice };
}

/** The status; null when the connection broke. */
async function spend({ url }: SupervisorProcess, account: string): Promise<number | null> {
  try {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "x-headgate-account": account },
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

test("several supervisors open no slices, and keep held what one of them alone has opened", async () => {
  const home = new SupervisorHome();
  try {
    home.setLimit({ account: ACCOUNT, unit: "usd", window: "total", amount: "100000" });
    const single = await home.start();
    assert.equal(
      (await call(single.url, "POST", "", { name: "agent", amounts: { usd: "0.00004" } })).status,
      201,
    );
    await single.stop();

    const several = await home.start("--supervisors", "2");
    const refused = await fetch(`${several.url}/v1/accounts`, {
      method: "POST",
      body: JSON.stringify({ name: "other", amounts: { usd: "0.00001" } }),
    });
    assert.equal(refused.status, 403);
    assert.match(await refused.text(), /"code":"needs_one_supervisor"/);
    await several.stop();
    assert.equal(sumUp(home.entries(), ACCOUNT).held, 40_000n);

    const again = await home.start();
    const { slice } = await call(again.url, "GET", "/agent");
    assert.deepEqual([slice.status, slice.remaining.usd], ["open", "0.00004"]);
    await again.stop();
  } finally {
    home.remove();
  }
});
