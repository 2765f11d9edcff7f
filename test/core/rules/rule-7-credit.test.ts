/** Rule 7: nobody generates what no durable hold covers; where there is no more to be had, an answer ends at that token. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Effect } from "../../../src/core/effects.ts";
import { LIMIT_UNITS } from "../../../src/core/budget/limits.ts";
import { requestArrived } from "../fixtures.ts";
import { amountIn } from "./book.ts";
import { chargedFor, patientConfig, World } from "./world.ts";

const PROMPT_TOKENS_MAX = requestArrived("any").promptTokensMax;

const limits = fc.record({
  account: fc.constantFrom("global", "global/local"),
  unit: fc.constantFrom(...LIMIT_UNITS),
  window: fc.constantFrom("total", "day"),
  amount: fc.integer({ min: 1, max: 60 }).map(String),
});

const streams = fc.record({
  packetTokens: fc.integer({ min: 1, max: 6 }),
  maxTokens: fc.integer({ min: 1, max: 24 }),
  limit: limits,
  /** As the engine sends them, and whether what was written since is on the disk by then. */
  chunks: fc.array(fc.record({ tokens: fc.integer({ min: 1, max: 4 }), isSynced: fc.boolean() }), {
    minLength: 1,
  }),
});

/** What the first hold has to cover, at least. */
function startsWith(tokens: number): ReturnType<typeof chargedFor> {
  return chargedFor({ promptTokens: PROMPT_TOKENS_MAX, completionTokens: tokens });
}

test("credit is what a durable hold covers, and an answer ends at the last token of it with the name of the limit", () => {
  fc.assert(
    fc.property(streams, ({ packetTokens, maxTokens, limit, chunks }) => {
      const world = new World(patientConfig({ packetTokens }));
      world.limit(limit);
      world.join("a");
      world.holdBack = true;
      world.request({ maxTokens, streamed: true });
      if (world.effectsOf("fail_request").length > 0) return;
      let durableTokens = sync(world);
      let granted = 0;
      let generated = 0;
      const observe = (effects: readonly Effect[]): void => {
        for (const effect of effects) {
          if (effect.kind !== "dispatch" && effect.kind !== "grant_credit") continue;
          granted = effect.creditTokens;
          assert(granted <= durableTokens, "a durable hold covers what may be generated");
        }
      };
      observe(world.effects);
      for (let i = 0; ended(world) === undefined && generated < maxTokens; i++) {
        const { tokens, isSynced } = chunks[i % chunks.length]!;
        const some = Math.min(tokens, granted - generated);
        generated += some;
        if (some > 0) observe(world.output(world.attempt.attempt, some));
        const isStuck = generated === granted;
        if (isSynced || isStuck) {
          const from = world.effects.length;
          durableTokens = sync(world);
          observe(world.effects.slice(from));
        }
        if (isStuck) assert(granted > generated || ended(world) !== undefined || generated === maxTokens);
      }
      const relayed = world.effectsOf("relay").reduce((sum, { tokens }) => sum + tokens, 0);
      assert.equal(relayed, generated, "everything that was generated is shown");
      const end = ended(world);
      if (end === undefined) return assert.equal(generated, maxTokens);
      assert.equal(end.finishReason, "length");
      const { account, unit } = limit;
      assert.partialDeepStrictEqual(end.shortage, { account, unit });
      assert(amountIn(unit, startsWith(generated)) <= BigInt(limit.amount), "what was generated fits");
      assert(amountIn(unit, startsWith(generated + 1)) > BigInt(limit.amount), "one token more would not");
      assert.equal(world.effectsOf("cancel_attempt").length, 1);
    }),
    { numRuns: 300 },
  );
});

test("an engine that goes on beyond its credit is stopped, and no more is shown than was covered", () => {
  fc.assert(
    fc.property(streams, fc.integer({ min: 1, max: 9 }), ({ packetTokens, maxTokens, limit }, beyond) => {
      const world = new World(patientConfig({ packetTokens }));
      world.limit(limit);
      world.join("a");
      const request = world.request({ maxTokens, streamed: true });
      if (world.effectsOf("fail_request").length > 0) return;
      const { attempt, creditTokens } = world.attempt;
      const effects = world.output(attempt, creditTokens + beyond);
      assert.deepEqual(shown(effects), creditTokens);
      assert(effects.some((effect) => effect.kind === "cancel_attempt" && effect.attempt === attempt));
      assert.deepEqual(world.chargedTo(request), startsWith(creditTokens));
    }),
  );
});

test("for a remote API the hold covers its declared maximum, which is shortened to what fits", () => {
  fc.assert(
    fc.property(streams, fc.integer({ min: 1, max: 9 }), ({ packetTokens, maxTokens, limit }, beyond) => {
      const world = new World(patientConfig({ packetTokens, remotes: [World.remote] }));
      world.limit(limit);
      world.request({ maxTokens, streamed: true });
      const fits = (tokens: number): boolean =>
        amountIn(limit.unit, startsWith(tokens)) <= BigInt(limit.amount);
      const least = Math.min(packetTokens, maxTokens);
      const [sent] = world.attempts;
      assert.equal(sent !== undefined, fits(least));
      if (sent === undefined) return;
      assert.equal(sent.creditTokens, sent.maxTokens);
      assert.deepEqual(world.entries[0]!.charge, startsWith(sent.maxTokens));
      assert(fits(sent.maxTokens), "what is sent fits");
      assert(sent.maxTokens === maxTokens || !fits(sent.maxTokens + 1), "no less than what fits");

      const effects = world.output(sent.attempt, sent.maxTokens + beyond);
      assert.equal(shown(effects), sent.maxTokens);
      assert(
        effects.some((effect) => effect.kind === "cancel_attempt"),
        "the connection is closed",
      );
      const end = ended(world);
      assert.equal(end?.finishReason, "length");
      if (sent.maxTokens < maxTokens)
        assert.partialDeepStrictEqual(end?.shortage, { account: limit.account });
    }),
    { numRuns: 200 },
  );
});

/** Returns for how many tokens of output what is on the disk now is enough. */
function sync(world: World): number {
  const tokens = world.entries.reduce((sum, { charge }) => sum + charge.outputTokens, 0);
  world.holdBack = false;
  world.sync();
  world.holdBack = true;
  return tokens;
}

function ended(world: World): Extract<Effect, { kind: "finish_answer" }> | undefined {
  return world.effectsOf("finish_answer").at(-1);
}

function shown(effects: readonly Effect[]): number {
  return effects.reduce((sum, effect) => sum + (effect.kind === "relay" ? effect.tokens : 0), 0);
}
