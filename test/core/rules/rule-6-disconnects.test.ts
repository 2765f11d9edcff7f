/** Rule 6: where a client leaves, its attempts are stopped at once, and what was generated until then is charged. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { requestArrived } from "../fixtures.ts";
import { chargedFor, patientConfig, World } from "./world.ts";

const PROMPT_TOKENS_MAX = requestArrived("any").promptTokensMax;
const MAX_TOKENS = 12;

const leavings = fc.record({
  choices: fc.integer({ min: 1, max: 4 }),
  streamed: fc.boolean(),
  /** How far it has come: its hold is not on the disk, it waits for a worker, or it runs. */
  stage: fc.constantFrom("reserve", "queue", "stream", "stream", "stream"),
  promptTokens: fc.option(fc.integer({ min: 1, max: PROMPT_TOKENS_MAX })),
  chunks: fc.array(fc.record({ choice: fc.nat(3), tokens: fc.integer({ min: 1, max: 5 }) }), {
    maxLength: 8,
  }),
  /** What was on its way when it left. */
  late: fc.array(fc.record({ choice: fc.nat(3), tokens: fc.integer({ min: 1, max: 5 }) }), { maxLength: 3 }),
  limit: fc.option(fc.integer({ min: 100, max: 400 })),
});

test("a client that leaves is charged for what was generated until then, and for nothing that comes later", () => {
  fc.assert(
    fc.property(leavings, ({ choices, streamed, stage, promptTokens, chunks, late, limit }) => {
      const world = new World(patientConfig({ packetTokens: 4 }));
      const row = { account: "global", unit: "usd", window: "total" } as const;
      world.limit({ ...row, amount: limit === null ? null : String(limit) });
      world.join("a");
      if (stage === "queue") world.send({ kind: "worker_left", worker: "a", epoch: null, reason: "left" });
      world.holdBack = stage === "reserve";
      const request = world.request({ choices, streamed, maxTokens: MAX_TOKENS });
      const isRunning = stage === "stream";
      assert.equal(world.attempts.length > 0, isRunning);

      const generated = Array.from({ length: choices }, () => 0);
      const produce = ({ choice, tokens }: { choice: number; tokens: number }): void => {
        const { attempt, creditTokens } = world.attempt;
        const granted = world.effectsOf("grant_credit").at(-1)?.creditTokens ?? creditTokens;
        const some = Math.min(tokens, granted - (generated[choice] ?? granted));
        if (some === 0) return;
        generated[choice]! += some;
        world.output(attempt, some, choice);
      };
      if (isRunning) {
        if (promptTokens !== null) world.start(world.attempt.attempt, promptTokens);
        for (const chunk of chunks) produce(chunk);
      }
      if (world.effectsOf("request_settled").length > 0) return;

      const effects = world.send({ kind: "client_gone", request });
      const cancelled = effects.filter(({ kind }) => kind === "cancel_attempt");
      assert.equal(cancelled.length, isRunning ? 1 : 0, "what runs is stopped in the same turn");
      if (isRunning) assert.partialDeepStrictEqual(cancelled, [{ attempt: world.attempt.attempt }]);

      const tokens = generated.reduce((sum, each) => sum + each, 0);
      const prompt = isRunning ? (promptTokens ?? (tokens > 0 ? PROMPT_TOKENS_MAX : 0)) : 0;
      const requests = isRunning && (promptTokens !== null || tokens > 0) ? 1 : 0;
      const used = chargedFor({ promptTokens: prompt, completionTokens: tokens, requests });
      assert.deepEqual(world.chargedTo(request), used);
      assert.equal(world.openHolds, 0);
      assert.equal(effects.filter(({ kind }) => kind === "request_settled").length, 1);

      world.holdBack = false;
      world.sync();
      if (!isRunning) return assert.equal(world.attempts.length, 0, "nothing is sent for it any more");
      const after = late.flatMap(({ choice, tokens: more }) =>
        world.output(world.attempt.attempt, more, choice),
      );
      assert.deepEqual(after, [], "what comes later is neither relayed nor charged");
    }),
    { numRuns: 300 },
  );
});
