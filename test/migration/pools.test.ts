import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { auditAnswer, auditLedger, type Journey } from "./audit.ts";
import { chainOf } from "./decisions.ts";
import { type Books, startFleet, type TestFleet } from "./fleet.ts";
import { type Asked, read, type Reading } from "./reading.ts";

const ROLES = ["prefill", "decode", "decode"] as const;
const SHORT: Asked = { messages: [{ role: "user", content: "Hello" }], max_tokens: 40 };
/** Each with another beginning, so that none finds its own in a cache. */
const LONG = ["Lila", "Tom", "Ada", "Max"].map((name) => ({
  messages: [
    { role: "user" as const, content: `${name} is a fox. ${"The fox runs over the hill. ".repeat(40)}Why?` },
  ],
  max_tokens: 200,
  ignore_eos: true,
}));

describe("a fleet in which some read prompts and others answer", () => {
  let fleet: TestFleet;
  let single: TestFleet;
  let books: Books;
  let singleBooks: Books;
  let short: Reading;
  const long: Reading[] = [];
  const expected: Reading[] = [];
  before(async () => {
    const model = "headgate-1m-2k";
    const sections = { placement: { split_tokens_min: 64 } };
    fleet = await startFleet({ model, workers: ROLES.map((role) => ({ role })), sections });
    for (const body of LONG) long.push(await read(fleet.headgate.client, body));
    short = await read(fleet.headgate.client, SHORT);
    books = await fleet.finish();
    single = await startFleet({ model, workers: [{}] });
    for (const body of LONG) expected.push(await read(single.headgate.client, body));
    singleBooks = await single.finish();
  });
  after(async () => {
    await fleet.remove();
    await single.remove();
  });

  function journey(reading: Reading): Journey {
    return auditAnswer(reading, books, fleet.tap);
  }

  for (const [i] of LONG.entries()) {
    it(`reads a long prompt in the one pool and answers it in the other, as one worker alone would: ${i}`, () => {
      const reading = long[i]!;
      const workers = chainOf(books.requests.get(reading.request)!).map(({ dispatch }) => dispatch.worker);
      assert.equal(workers.length, 2);
      assert.equal(workers[0], "one");
      assert.notEqual(workers[1], "one");
      const { ids, moves } = journey(reading);
      assert.deepEqual(
        moves.map(({ by }) => by),
        ["state"],
      );
      assert.deepEqual(ids, auditAnswer(expected[i]!, singleBooks, single.tap).ids);
      assert.equal(reading.text, expected[i]!.text);
    });
  }

  it("has the prompt read once: the state brings all of it but its last token", () => {
    for (const { request } of long) {
      const [first, second] = chainOf(books.requests.get(request)!);
      const reader = books.receipts.get(first!.dispatch.attempt)!;
      const decoder = books.receipts.get(second!.dispatch.attempt)!;
      assert.deepEqual([reader.finish_reason, reader.completion_tokens], ["parked", 0]);
      assert.deepEqual([decoder.continued_from, decoder.completion_tokens], [0, 200]);
      assert.equal(decoder.prompt_tokens, reader.prompt_tokens);
      assert.equal(decoder.cached_tokens, reader.prompt_tokens - 1);
    }
  });

  it("answers a short prompt where it is read", () => {
    const [only, ...others] = chainOf(books.requests.get(short.request)!);
    assert.deepEqual([only?.dispatch.isPrefillOnly, others.length], [false, 0]);
    assert.notEqual(only?.dispatch.worker, "one");
  });

  it("is paid for once", () => auditLedger(books));
});
