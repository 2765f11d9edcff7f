import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BarrierWorker } from "./barrier-worker.ts";
import { until } from "../system/headgate.ts";
import { MODEL, sumUp, SupervisorHome } from "./supervisor-process.ts";

const REQUESTS = 200;
const TOKENS = 8;
/** 1 USD for a million tokens of the answer, and nothing for the prompt. */
const COST = BigInt(TOKENS * 1_000);
const ADMITTED = 37;
/** Room for 37, and almost for one more. */
const CAP = COST * BigInt(ADMITTED) + COST - 1n;
const ACCOUNT = "global/local";

/** Sends as many requests as that at once; each comes to its status, or to null when the connection breaks. */
function sendAll(
  url: string,
  count: number,
  onEnd: (status: number | null) => void = () => {},
): Promise<(number | null)[]> {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const status = await send(url);
      onEnd(status);
      return status;
    }),
  );
}

async function send(url: string): Promise<number | null> {
  try {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
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

function countOf(statuses: readonly (number | null)[], wanted: number | null): number {
  return statuses.filter((status) => status === wanted).length;
}

/** Sends everything, waits until whoever is admitted is at the barrier and everybody else refused, and lets them go. */
async function sendToBarrier(url: string, worker: BarrierWorker): Promise<(number | null)[]> {
  const allRefused = Promise.withResolvers<void>();
  let refused = 0;
  const statuses = sendAll(url, REQUESTS, () => {
    if (++refused === REQUESTS - ADMITTED) allRefused.resolve();
  });
  await Promise.all([worker.arrival(ADMITTED), allRefused.promise]);
  worker.open();
  return statuses;
}

for (const supervisors of ["1", "3"]) {
  test(`with --supervisors ${supervisors}, of 200 requests at once a budget for 37 lets exactly 37 through, and exactly their cost is posted`, async () => {
    const home = new SupervisorHome();
    const worker = await BarrierWorker.start();
    try {
      home.setLimit({ account: ACCOUNT, unit: "usd", window: "total", amount: String(CAP) });
      const supervisor = await home.start("--supervisors", supervisors);
      await worker.register(supervisor.url);
      const statuses = await sendToBarrier(supervisor.url, worker);
      assert.equal(countOf(statuses, 200), ADMITTED);
      assert.equal(countOf(statuses, 429), REQUESTS - ADMITTED);
      // What has been posted leaves no room: that is for good now. Of several, each may believe for a moment what it was told
      // while that was only held.
      if (supervisors === "1") assert.equal(await send(supervisor.url), 402);
      else await until(async () => (await send(supervisor.url)) === 402);
      await supervisor.stop();
      const { posted, held, peak, completed, inDoubt } = sumUp(home.entries(), ACCOUNT);
      assert.deepEqual(
        { posted, held, completed, inDoubt },
        { posted: COST * BigInt(ADMITTED), held: 0n, completed: ADMITTED, inDoubt: 0n },
      );
      assert(peak <= CAP);
    } finally {
      await worker.close();
      home.remove();
    }
  });
}

/** Where in the life of 37 requests the supervisor is killed. */
type KillPoint = { dispatched: number } | { tokens: number } | { answered: number };

const KILL_POINTS: readonly KillPoint[] = [
  ...[1, 2, 5, 11, 20, 30, 36, 37].map((dispatched) => ({ dispatched })),
  ...[1, 9, 60, 150, 250, 296].map((tokens) => ({ tokens })),
  ...[1, 5, 12, 25, 36, 37].map((answered) => ({ answered })),
];

describe(
  "killed in the middle: nothing above the cap, nothing lost, nothing left held",
  { concurrency: 4 },
  () => {
    for (const point of KILL_POINTS) test(JSON.stringify(point), () => killAndRecover(point));
  },
);

async function killAndRecover(point: KillPoint): Promise<void> {
  const home = new SupervisorHome();
  const workers = [await BarrierWorker.start(), await BarrierWorker.start()] as const;
  try {
    home.setLimit({ account: ACCOUNT, unit: "usd", window: "total", amount: String(CAP) });
    const seen = await runUntilKilled(home, workers[0], point);
    const before = sumUp(home.entries(), ACCOUNT);
    assert(before.peak <= CAP, "posted + held stay within the cap");
    assert(before.completed <= ADMITTED);

    const supervisor = await home.start();
    await workers[1].register(supervisor.url);
    workers[1].open();
    // No hold outlives its process.
    await until(() => sumUp(home.entries(), ACCOUNT).held === 0n);
    const recovered = sumUp(home.entries(), ACCOUNT);
    assert.equal(recovered.completed, before.completed);
    assert.equal(recovered.posted, BigInt(recovered.completed) * COST + recovered.inDoubt);
    assert(recovered.posted >= BigInt(seen.answered) * COST, "what clients were given is charged");
    assert(recovered.posted <= BigInt(seen.dispatched + ADMITTED) * COST);

    const fitting = Number((CAP - recovered.posted) / COST);
    // One after the other, so that what is posted, and not what is held, decides.
    for (let i = 0; i < fitting; i++)
      assert.equal(await send(supervisor.url), 200, `request ${i} of ${fitting}`);
    assert.equal(await send(supervisor.url), 402);
    await supervisor.stop();
    const { posted, held, peak } = sumUp(home.entries(), ACCOUNT);
    assert.equal(posted, recovered.posted + BigInt(fitting) * COST);
    assert.equal(held, 0n);
    assert(peak <= CAP);
  } finally {
    await Promise.all(workers.map((worker) => worker.close()));
    home.remove();
  }
}

/** Sends 200 requests and kills the supervisor at that point; returns what had been seen of it by then. */
async function runUntilKilled(
  home: SupervisorHome,
  worker: BarrierWorker,
  point: KillPoint,
): Promise<{ dispatched: number; answered: number }> {
  const supervisor = await home.start();
  await worker.register(supervisor.url);
  const isTime = Promise.withResolvers<void>();
  let refused = 0;
  let answered = 0;
  let tokens = 0;
  const allRefused = Promise.withResolvers<void>();
  const statuses = sendAll(supervisor.url, REQUESTS, (status) => {
    if (status === 429 && ++refused === REQUESTS - ADMITTED) allRefused.resolve();
    if (status === 200 && ++answered === ("answered" in point ? point.answered : -1)) isTime.resolve();
  });
  if ("dispatched" in point) {
    await worker.arrival(point.dispatched);
    isTime.resolve();
  } else {
    await Promise.all([worker.arrival(ADMITTED), allRefused.promise]);
    worker.open(() => {
      if (++tokens === ("tokens" in point ? point.tokens : -1)) isTime.resolve();
    });
  }
  await isTime.promise;
  await supervisor.kill();
  await statuses;
  return { dispatched: worker.arrived, answered };
}
