import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { aliveWorkers, MODEL, MODEL_FILE, startTestHeadgate, type TestHeadgate, until } from "./headgate.ts";

const REQUESTS = 30;
const WORKERS = ["one", "two"];

let headgate: TestHeadgate;
before(async () => {
  // Room for all requests on each worker, so that sharing is a choice and not forced by full workers.
  const models = { [MODEL]: { path: MODEL_FILE, slots: REQUESTS } };
  headgate = await startTestHeadgate({ workers: WORKERS, sections: { models } });
});
after(() => headgate.stop());

/** What one client came to: how much it was given, and whether it was told the end. */
interface Ending {
  text: string;
  finishReason: string | null;
  error: string | null;
}

/** Asks for a story; `ending` can be watched while it is told. */
async function tell(seed: number, ending: Ending = newEnding()): Promise<Ending> {
  try {
    const stream = await headgate.client.chat.completions.create({
      model: "default",
      messages: [{ role: "user", content: "Tell me a long story about a fox named Lila." }],
      stream: true,
      seed,
      temperature: 1,
      max_tokens: 400,
    });
    for await (const { choices } of stream) {
      ending.text += choices[0]?.delta.content ?? "";
      ending.finishReason ??= choices[0]?.finish_reason ?? null;
    }
  } catch (error) {
    ending.error = (error as Error).message;
  }
  return ending;
}

function newEnding(): Ending {
  return { text: "", finishReason: null, error: null };
}

test("fault 3: two workers share 30 concurrent requests evenly", async () => {
  // Hanging workers finish nothing, so that all 30 are under way at once.
  for (const id of WORKERS) headgate.signalWorker(id, "SIGSTOP");
  const requests = Array.from({ length: REQUESTS }, (_, seed) => tell(seed));
  await until(() => headgate.inspect().sessions === REQUESTS);
  const shares = headgate.inspect().workers.map(({ inFlight }) => inFlight);
  for (const id of WORKERS) headgate.signalWorker(id, "SIGCONT");
  assert.deepEqual(shares, [REQUESTS / 2, REQUESTS / 2]);
  for (const { error, finishReason } of await Promise.all(requests)) {
    assert.equal(error, null);
    assert.match(finishReason!, /stop|length/);
  }
});

test("fault 6: sessions are freed when they end, on both sides", async () => {
  assert.equal(headgate.inspect().sessions, 0);
  for (const id of WORKERS) {
    const health = await fetch(new URL("/worker/health", headgate.workerUrl(id)));
    const { active_sessions } = (await health.json()) as { active_sessions: number };
    assert.equal(active_sessions, 0);
  }
});

test("fault 1: a worker killed in mid-stream leaves every client with a whole answer or an explicit error", async () => {
  const endings = Array.from({ length: REQUESTS }, newEnding);
  const requests = endings.map((ending, seed) => tell(seed, ending));
  await until(() => endings.some(({ text }) => text !== ""));
  headgate.signalWorker("one", "SIGKILL");
  await Promise.all(requests);
  for (const { error, finishReason } of endings) {
    assert.ok((error === null) !== (finishReason === null), "either an end or an error");
  }
  assert.ok(endings.some(({ finishReason }) => finishReason !== null));
  const { requests: open, sessions, openHolds } = headgate.inspect();
  assert.deepEqual({ open, sessions, openHolds }, { open: 0, sessions: 0, openHolds: 0 });

  const { finishReason } = await tell(1);
  assert.ok(finishReason, "the other worker goes on serving");
  await until(() => aliveWorkers(headgate) === WORKERS.length);
});
