/** Rule 10, where nothing is leased: a limit that is lowered cancels nothing that is held, and binds whoever asks next. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { requestArrived } from "../fixtures.ts";
import { scenes } from "./drawing.ts";
import { type Play, playScene } from "./play.ts";
import { patientConfig, World } from "./world.ts";

const PROMPT_TOKENS_MAX = requestArrived("any").promptTokensMax;

test("a limit that is changed leaves every hold as it is, and the next reserve goes by the new amount", () => {
  fc.assert(
    fc.property(scenes({ weights: { limit: 6, reserve: 10, extend: 5 } }), (scene) => {
      playScene(scene, (play, operation) => {
        if (operation.kind === "limit") {
          const before = holdsOf(play);
          return () => assert.deepEqual(holdsOf(play), before);
        }
        if (operation.kind !== "reserve" && operation.kind !== "extend") return;
        const short = play.book.shortOf(operation, play.clockUs);
        return (result) => {
          assert(result !== null);
          if ("sequence" in result) return assert.deepEqual(short, []);
          const { account, limit } = result;
          const known = short.find(
            (row) => row.account === account && row.unit === limit.unit && row.window === limit.window,
          );
          assert.equal(String(limit.amount), known?.amount, "by the amount that is in force now");
        };
      });
    }),
    { numRuns: 150 },
  );
});

const answers = fc.record({
  packetTokens: fc.integer({ min: 1, max: 6 }),
  maxTokens: fc.integer({ min: 2, max: 20 }),
  lowered: fc.nat(60),
  before: fc.nat(6),
});

test("an answer that runs keeps what is held for it, and ends there", () => {
  fc.assert(
    fc.property(answers, ({ packetTokens, maxTokens, lowered, before }) => {
      const world = new World(patientConfig({ packetTokens }));
      const limit = { account: "global/local", unit: "tokens", window: "total" } as const;
      world.limit({ ...limit, amount: "1000" });
      world.join("a");
      world.request({ maxTokens, streamed: true });
      const { attempt, creditTokens } = world.attempt;
      let granted = creditTokens;
      let generated = 0;
      const generate = (tokens: number): void => {
        const some = Math.min(tokens, granted - generated);
        if (some === 0) return;
        generated += some;
        for (const effect of world.output(attempt, some)) {
          if (effect.kind === "grant_credit") granted = effect.creditTokens;
        }
      };
      generate(before);
      const effects = world.limit({ ...limit, amount: String(lowered) });
      assert.deepEqual(effects, [], "nothing is cancelled");
      const held = granted;
      const isOver = (): boolean => generated === maxTokens || world.effectsOf("finish_answer").length > 0;
      while (!isOver()) generate(1);
      assert(generated >= held, "what was held is there to be used");
      const room = Math.max(held, lowered - PROMPT_TOKENS_MAX);
      assert.equal(generated, Math.min(maxTokens, room), "and no more than what the new limit has room for");
    }),
  );
});

function holdsOf(play: Play): unknown {
  return { holds: [...play.budget.holds], entries: play.entries.length };
}
