import assert from "node:assert/strict";
import { test } from "node:test";
import { pidsOf, statusOfAll } from "../replicas/replicas.ts";
import { until } from "../system/headgate.ts";
import { BarrierWorker } from "./barrier-worker.ts";
import { MODEL, sumUp, SupervisorHome } from "./supervisor-process.ts";

const TOKENS = 8;
/** 1 USD for a million tokens of the answer, and nothing for the prompt. */
const COST = BigInt(TOKENS * 1_000);
const ROOM = 30;
const REQUESTS = 60;
const SUPERVISORS = 3;
const ACCOUNT = "global/local";

/** On a connection of its own, so that supervisors get them in turn; null when the connection breaks. */
async function send(url: string): Promise<number | null> {
  const body = JSON.stringify({
    model: MODEL,
    max_tokens: TOKENS,
    ignore_eos: true,
    messages: [{ role: "user", content: "Count." }],
  });
  try {
    const headers = { connection: "close" };
    const response = await fetch(`${url}/v1/chat/completions`, { method: "POST", headers, body });
    await response.arrayBuffer();
    return response.status;
  } catch {
    return null;
  }
}

test("supervisors that are killed with a part of the cap each leave the others all that they did not hold", async () => {
  const home = new SupervisorHome();
  const worker = await BarrierWorker.start();
  try {
    const cap = COST * BigInt(ROOM);
    home.setLimit({ account: ACCOUNT, unit: "usd", window: "total", amount: String(cap) });
    const supervisor = await home.start("--supervisors", String(SUPERVISORS));
    await worker.register(supervisor.url);
    const [victim] = pidsOf(
      await statusOfAll(supervisor.url, SUPERVISORS, (status) => status.workers.length === 1),
    );
    const statuses = Promise.all(Array.from({ length: REQUESTS }, () => send(supervisor.url)));
    await worker.arrival(ROOM);
    process.kill(victim!, "SIGKILL");
    await until(() => sumUp(home.entries(), ACCOUNT).inDoubt > 0n);
    worker.open();
    const ended = await statuses;
    const answered = ended.filter((status) => status === 200).length;
    const broken = ended.filter((status) => status === null).length;
    assert(broken > 0 && broken < REQUESTS / 2, `${broken} connections break: those of one of three`);
    // A refusal is for good once what is posted leaves no room.
    assert(ended.every((status) => status === null || [200, 402, 429].includes(status)));

    await until(() => sumUp(home.entries(), ACCOUNT).held === 0n);
    const { posted, peak, completed, inDoubt } = sumUp(home.entries(), ACCOUNT);
    assert.equal(completed, answered);
    assert.equal(posted, BigInt(completed) * COST + inDoubt);
    assert(peak <= cap);
    await supervisor.stop();
  } finally {
    await worker.close();
    home.remove();
  }
});
