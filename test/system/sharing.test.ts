import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { aliveWorkers, MODEL, startTestHeadgate, type TestHeadgate, until } from "./headgate.ts";

const LONG = [{ role: "user" as const, content: "Tell me a long story about a fox named Lila." }];
const REQUESTS = 30;

let headgate: TestHeadgate;
before(async () => {
  const workers = ["one", "two"];
  headgate = await startTestHeadgate({ workers, sections: { models: await manySlots() } });
});
after(() => headgate.stop());

/** Room for all requests on both workers, so that sharing is a choice and not forced by full workers. */
async function manySlots(): Promise<object> {
  const { fileURLToPath } = await import("node:url");
  const path = fileURLToPath(new URL(`../../models/${MODEL}.gguf`, import.meta.url));
  return { [MODEL]: { path, slots: REQUESTS } };
}

/** What one client came to: how much it was given, and whether it was told the end. */
interface Ending {
  text: string;
  finishReason: string | null;
  error: string | null;
}

async function tell(seed: number): Promise<Ending> {
  const ending: Ending = { text: "", finishReason: null, error: null };
  try {
    const stream = await headgate.client.chat.completions.create({
      model: "default",
      messages: LONG,
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

test("two workers share 30 concurrent requests evenly", async () => {
  const requests = Array.from({ length: REQUESTS }, (_, seed) => tell(seed));
  await until(() => headgate.inspect().sessions === REQUESTS);
  const shares = headgate.inspect().workers.map(({ inFlight }) => inFlight);
  assert.deepEqual(shares, [REQUESTS / 2, REQUESTS / 2]);
  for (const { error, finishReason } of await Promise.all(requests)) {
    assert.equal(error, null);
    assert.match(finishReason!, /stop|length/);
  }
  assert.equal(headgate.inspect().sessions, 0);
});

test("killing a worker in mid-stream leaves every client with a whole answer or an explicit error", async () => {
  const requests = Array.from({ length: REQUESTS }, (_, seed) => tell(seed));
  await until(() => headgate.inspect().sessions === REQUESTS);
  headgate.killWorker("one");
  const endings = await Promise.all(requests);
  for (const { error, finishReason } of endings) {
    assert.ok((error === null) !== (finishReason === null), "either an end or an error");
  }
  assert.ok(endings.some(({ finishReason }) => finishReason !== null));
  const inspection = headgate.inspect();
  assert.deepEqual([inspection.requests, inspection.sessions, inspection.openHolds], [0, 0, 0]);

  const { finishReason } = await tell(1);
  assert.ok(finishReason, "the other worker goes on serving");
  await until(() => aliveWorkers(headgate) === 2);
});
