/** Rule 2: a post charges what was used and frees the rest in one step; what goes beyond the hold is charged, and recorded. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { scenes } from "./drawing.ts";
import { type Play, playScene } from "./play.ts";
import { chargedFor, patientConfig, World } from "./world.ts";

const POSTING = { post: 6, overage: 3, doubt: 0, adjust: 0 };

test("a post moves what was used from held to posted on the whole path, and frees the rest", () => {
  fc.assert(
    fc.property(scenes({ weights: POSTING }), (scene) => {
      playScene(scene, (play, operation) => {
        if (operation.kind !== "post") return;
        return () => {
          checkSums(play);
          assert(![...play.budget.holds].some(({ id }) => id === operation.hold), "nothing of it is held");
        };
      });
    }),
  );
});

test("an overage is exactly what exceeds the hold, and whoever asks next feels it", () => {
  fc.assert(
    fc.property(scenes({ weights: POSTING }), (scene) => {
      playScene(scene, (play, operation) => {
        if (operation.kind === "post") {
          const held = play.book.heldBy(operation.hold);
          const { charge: used } = operation;
          return (entry) => {
            assert(entry !== null && "sequence" in entry);
            const { overage } = entry;
            for (const key of ["nanoUsd", "inputTokens", "outputTokens", "requests"] as const) {
              assert.equal(entry.charge[key], used[key], "all of it is charged");
              assert.equal(overage?.[key] ?? 0, Math.max(0, used[key] - held[key]), key);
            }
          };
        }
        if (operation.kind !== "reserve") return;
        const short = play.book.shortOf(operation, play.clockUs);
        return (result) => assert.equal(result !== null && "sequence" in result, short.length === 0);
      });
    }),
  );
});

const answers = fc.record({
  isRemote: fc.boolean(),
  maxTokens: fc.integer({ min: 1, max: 12 }),
  told: fc.record({ promptTokens: fc.nat(30), completionTokens: fc.nat(40) }),
});

test("an engine that we meter is never charged beyond its hold; a remote API is charged all that it bills", () => {
  fc.assert(
    fc.property(answers, ({ isRemote, maxTokens, told }) => {
      const world = new World(patientConfig({ remotes: isRemote ? [World.remote] : [] }));
      if (!isRemote) world.join("a");
      world.request({ maxTokens });
      const [hold] = world.entries;
      const usage = { ...told, cachedTokens: 0 };
      world.finish(world.attempt.attempt, usage);
      const post = world.entries.at(-1)!;
      assert.equal(post.operation, "post");
      const { inputTokens, outputTokens } = hold!.charge;
      const most = isRemote ? told : { promptTokens: inputTokens, completionTokens: outputTokens };
      const used = {
        promptTokens: Math.min(told.promptTokens, most.promptTokens),
        completionTokens: Math.min(told.completionTokens, most.completionTokens),
      };
      assert.deepEqual(post.charge, chargedFor(used));
      const isBeyond = used.promptTokens > inputTokens || used.completionTokens > outputTokens;
      assert.equal(post.overage !== null, isBeyond);
      assert(isRemote || !isBeyond);
    }),
  );
});

function checkSums(play: Play): void {
  for (const account of play.accounts) {
    for (const { account: name, limit, posted, held, remaining } of play.remainders(account)) {
      const row = { account: name, ...limit };
      assert.equal(posted, play.book.postedUnder(row, play.clockUs));
      assert.equal(held, play.book.heldUnder(row, play.clockUs));
      assert.equal(remaining, limit.amount - posted - held);
    }
  }
}
