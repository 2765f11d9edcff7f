import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { auditAnswer, auditLedger } from "./audit.ts";
import { type Books, modelFile, startFleet, type TestFleet } from "./fleet.ts";
import { read, type Reading, story } from "./reading.ts";

const MODEL = "headgate-1m-2k";
const LONG = story("Lila", 1_200);
const SHORT = story("Tom", 20);

describe("a worker with one slot, and somebody in a band that preempts", () => {
  let fleet: TestFleet;
  let books: Books;
  let undisturbed: Reading;
  let long: Reading;
  const ended: string[] = [];
  before(async () => {
    const sections = {
      models: { [MODEL]: { path: modelFile(MODEL), slots: 1 } },
      queue: { bands: [{ name: "high", preempts: true }, { name: "normal" }] },
    };
    fleet = await startFleet({ model: MODEL, workers: [{}], sections });
    const { client } = fleet.headgate;
    undisturbed = await read(client, LONG);
    const urgent = client.withOptions({ defaultHeaders: { "x-headgate-priority": "high" } });
    const asked: Promise<unknown>[] = [];
    fleet.tap.onToken = ({ ids }) => {
      if (ids.length < 10 || asked.length > 0) return;
      asked.push(read(urgent, SHORT).then(() => ended.push("short")));
    };
    long = await read(client, LONG);
    ended.push("long");
    await Promise.all(asked);
    books = await fleet.finish();
  });
  after(() => fleet.remove());

  it("gives the urgent one the place of the other, which goes on with its KV state as if nothing had been", () => {
    assert.deepEqual(ended, ["short", "long"]);
    const { ids, moves } = auditAnswer(long, books, fleet.tap);
    assert.deepEqual(
      moves.map(({ by, cause }) => ({ by, cause })),
      [{ by: "state", cause: "parked" }],
    );
    assert.deepEqual(ids, auditAnswer(undisturbed, books, fleet.tap).ids);
    assert.equal(long.text, undisturbed.text);
  });

  it("is paid for once", () => auditLedger(books));
});
