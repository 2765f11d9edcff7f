import assert from "node:assert/strict";
import { test } from "node:test";
import { auditAnswer, auditLedger } from "./audit.ts";
import { startFleet } from "./fleet.ts";
import { read, story } from "./reading.ts";

/** So many requests make known how long a first token takes, and a hedge for each of the batch affordable. */
const WARM_UP = 100;
const BATCH = 5;
const SHARE_MAX = 0.05;

test("a first token that is late is got from another worker, and both attempts are accounted for", async () => {
  const fleet = await startFleet({
    model: "headgate-0.3m",
    sections: { tail: { hedge: { percentile: 95, share_max: SHARE_MAX, samples_min: WARM_UP } } },
  });
  try {
    const { client, signalWorker } = fleet.headgate;
    const { tap, workerAt } = fleet;
    const ask = (i: number) => read(client, story(`number ${i}`, 8));
    for (let i = 0; i < WARM_UP; i++) await ask(i);
    // The one that is given the first of the batch stops before it hears of it, so that one request at least is late.
    const stopped: string[] = [];
    tap.onAsked = ({ origin }) => {
      tap.onAsked = () => {};
      const worker = workerAt(origin)!;
      signalWorker(worker, "SIGSTOP");
      stopped.push(worker);
    };
    const readings = await Promise.all(Array.from({ length: BATCH }, (_, i) => ask(WARM_UP + i))).finally(
      () => {
        for (const worker of stopped) signalWorker(worker, "SIGCONT");
      },
    );
    const books = await fleet.finish();
    for (const reading of readings) auditAnswer(reading, books, fleet.tap);
    auditLedger(books);
    const requests = readings.map(({ request }) => books.requests.get(request)!);
    const late = requests.filter(({ attempts: [first] }) => first?.dispatch.worker === stopped[0]);
    assert.ok(late.length > 0, "some were sent to the worker that had stopped");
    for (const { attempts, last, record } of late) {
      assert.equal(record?.hedges, 1);
      const winner = attempts.find(({ dispatch }) => dispatch.attempt === last)!;
      assert.notEqual(winner.dispatch.worker, stopped[0]);
      assert.deepEqual([attempts[0]!.left, attempts[0]!.relayed], ["hedge_lost", 0]);
    }
    const hedges = [...books.requests.values()].reduce((sum, { record }) => sum + record!.hedges, 0);
    assert.ok(
      hedges <= SHARE_MAX * books.requests.size,
      `${hedges} hedges of ${books.requests.size} requests`,
    );
  } finally {
    await fleet.remove();
  }
});
