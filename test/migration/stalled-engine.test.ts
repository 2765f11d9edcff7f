import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import models from "../../models/models.json" with { type: "json" };
import { type FakeGeneration, FakeWorker } from "../fakes/fake-worker.ts";
import { until } from "../system/headgate.ts";
import { auditAnswer, auditLedger } from "./audit.ts";
import { startFleet, type TestFleet } from "./fleet.ts";
import { read, type Reading, story } from "./reading.ts";

const MODEL = "headgate-0.3m";
const HEARTBEAT_MS = 100;
const TOKENS = 100;
const STORY = story("Lila", TOKENS);
const SHOWN = 12;
const AT_ONCE = 4;

test("an engine that stands still while its worker reports is found, and its streams go on elsewhere", async () => {
  const fleet = await startFleet({
    model: MODEL,
    workers: [{}],
    // The limit on a first token alone would find it after a minute.
    sections: { timeouts: { stall: 1, prefill: 60 } },
  });
  const stuck = await FakeWorker.start({ id: "stuck", model: MODEL });
  const report = { progress: 0, moves: 1, sessions: 0 };
  const stopped = new AbortController();
  // One at a time, as a worker does: a report that is overtaken by a later one is refused.
  const keepReporting = async (): Promise<void> => {
    for (; !stopped.signal.aborted; await sleep(HEARTBEAT_MS)) {
      report.progress += report.moves;
      await tell(stuck, fleet, report);
    }
  };
  const reporting = keepReporting();
  try {
    const undisturbed = await read(fleet.headgate.client, STORY);
    const { texts, ids } = [...fleet.tap.generations.values()][0]!;
    const readings: Promise<Reading>[] = [];
    const begun = await askUntilAsked(stuck, fleet, readings);
    const unread = await askUntilAsked(stuck, fleet, readings);
    report.sessions = 2;
    // One of its answers has begun when it stands still, and of the other nothing has been read yet.
    report.moves = 0;
    begun.started(20, 0);
    for (const [i, { text }] of texts.slice(0, SHOWN).entries()) begun.token(text, 0, { ids: [ids[i]] });
    unread.call.openStream();
    const answers = await Promise.all(readings);
    assert.equal(isStalled(fleet), true);
    // It moves again, and may be given work again.
    report.moves = 1;
    await until(() => !isStalled(fleet));

    stopped.abort();
    await reporting;
    const books = await fleet.finish();
    const { ids: expected } = auditAnswer(undisturbed, books, fleet.tap);
    for (const answer of answers) assert.deepEqual(auditAnswer(answer, books, fleet.tap).ids, expected);
    auditLedger(books);
    for (const [generation, shown] of [
      [begun, SHOWN],
      [unread, 0],
    ] as const) {
      const [id] = String(generation.request["id"]).split("/");
      assert.deepEqual(
        books.requests.get(id!)!.attempts.map(({ dispatch, relayed }) => [dispatch.worker, relayed]),
        [
          ["stuck", shown],
          ["one", TOKENS - shown],
        ],
      );
    }
    // The other might have been found by the silence behind its last token.
    const found = [...books.requests.values()].flatMap(({ attempts }) => attempts.map(({ left }) => left));
    assert.ok(found.includes("stalled"));
  } finally {
    stopped.abort();
    await reporting.catch(() => {});
    await stuck.close();
    await fleet.remove();
  }
});

/** Its report, as one that has the same model as the others. */
async function tell(
  stuck: FakeWorker,
  { headgate }: TestFleet,
  { progress, sessions }: { progress: number; sessions: number },
): Promise<void> {
  const { sha256 } = models.find(({ name }) => name === MODEL)!;
  const [endpoint] = stuck.heartbeat()["models"] as object[];
  await stuck.register(headgate.url, {
    models: [{ ...endpoint, model_hash: `sha256:${sha256}` }],
    health: { alive: true, active_sessions: sessions, kv_cache_bytes: 0 },
    own_sessions: sessions,
    progress,
  });
}

/** Asks for the story, several times at once, until the worker is asked to tell it. */
async function askUntilAsked(
  stuck: FakeWorker,
  { headgate }: TestFleet,
  readings: Promise<Reading>[],
): Promise<FakeGeneration> {
  const state = { isAsked: false };
  const generation = stuck.next().finally(() => (state.isAsked = true));
  while (!state.isAsked) {
    for (let i = 0; i < AT_ONCE; i++) readings.push(read(headgate.client, STORY));
    await sleep(HEARTBEAT_MS);
  }
  return generation;
}

function isStalled({ headgate }: TestFleet): boolean | undefined {
  return headgate.inspect().workers.find(({ worker }) => worker === "stuck")?.isStalled;
}
