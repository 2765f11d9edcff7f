import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { auditAnswer, auditLedger } from "./audit.ts";
import { type Disturbance, readDisturbed } from "./disturbed.ts";
import { type Books, startFleet, type TestFleet } from "./fleet.ts";
import { type Asked, read, type Reading, story } from "./reading.ts";

const TOKENS = 1_500;
/** Each tells another story: a worker that knows it already needs no state. */
const DRAINS = [
  { name: "Lila", at: 1 },
  { name: "Tom", at: 2 },
  { name: "Ada", at: 30 },
  { name: "Max", at: 128 },
  { name: "Nora", at: 301 },
] as const;
const KILLS = [
  { name: "Otto", at: 1 },
  { name: "Ida", at: 77 },
  { name: "Emil", at: 400 },
] as const;
/** Most of its characters are several tokens, so that workers leave in the middle of one. 1362 tokens, with its quotes. */
const WORDS = "Grüße 🙂🙃 aus 你好, €5. ".repeat(40);
const INTERRUPTIONS = [
  { at: 40, signal: "SIGTERM" },
  { at: 41, signal: "SIGTERM" },
  { at: 42, signal: "SIGTERM" },
  { at: 41, signal: "SIGKILL" },
  { at: 42, signal: "SIGKILL" },
] as const;

describe("a greedy stream, alone on its worker, that has to leave it", () => {
  let fleet: TestFleet;
  let books: Books;
  const undisturbed = new Map<string, Reading>();
  const disturbed = new Map<string, Reading>();
  const dictations: Reading[] = [];
  before(async () => {
    fleet = await startFleet({ model: "headgate-1m-2k" });
    const disturb = (asked: Asked, by: Disturbance): Promise<Reading> => readDisturbed(fleet, asked, by);
    for (const { name, at } of DRAINS)
      disturbed.set(name, await disturb(story(name, TOKENS), { at, signal: "SIGTERM" }));
    for (const { name, at } of KILLS)
      disturbed.set(name, await disturb(story(name, TOKENS), { at, signal: "SIGKILL" }));
    for (const interruption of INTERRUPTIONS) dictations.push(await disturb(dictation(), interruption));
    for (const { name } of [...DRAINS, ...KILLS])
      undisturbed.set(name, await read(fleet.headgate.client, story(name, TOKENS)));
    books = await fleet.finish();
  });
  after(() => fleet.remove());

  for (const { name, at } of DRAINS) {
    it(`goes with its KV state when the worker is asked to stop behind token ${at}, as if nothing had been`, (context) => {
      const { ids, moves } = auditAnswer(disturbed.get(name)!, books, fleet.tap);
      assert.deepEqual(
        moves.map(({ by }) => by),
        ["state"],
      );
      assert.deepEqual(ids, auditAnswer(undisturbed.get(name)!, books, fleet.tap).ids);
      assert.equal(disturbed.get(name)!.text, undisturbed.get(name)!.text);
      context.diagnostic(`a pause of ${moves[0]?.pauseMs} ms`);
    });
  }

  for (const { name, at } of KILLS) {
    it(`goes on from what was shown when the worker is killed behind token ${at}`, (context) => {
      const { ids, moves } = auditAnswer(disturbed.get(name)!, books, fleet.tap);
      assert.deepEqual(
        moves.map(({ by }) => by),
        ["replay"],
      );
      assert.equal(ids.length, TOKENS);
      const { ids: expected } = auditAnswer(undisturbed.get(name)!, books, fleet.tap);
      const differs = ids.findIndex((id, i) => id !== expected[i]);
      context.diagnostic(differs < 0 ? "the same tokens as undisturbed" : `other tokens from ${differs} on`);
    });
  }

  for (const [i, { at, signal }] of INTERRUPTIONS.entries()) {
    it(`keeps to its schema, and tells each character once, ${signal} behind token ${at}`, () => {
      const { moves } = auditAnswer(dictations[i]!, books, fleet.tap);
      assert.equal(moves.length, 1);
      assert.equal(dictations[i]!.text, JSON.stringify(WORDS));
    });
  }

  it("is paid for once", () => auditLedger(books));
});

/** What may be answered is one text alone. */
function dictation(): Asked {
  return {
    messages: [{ role: "user", content: "Write." }],
    max_tokens: TOKENS,
    response_format: {
      type: "json_schema",
      json_schema: { name: "words", strict: true, schema: { const: WORDS } },
    },
  };
}
