/** Rule 3: each attempt is charged once, for what it has really used: those before the one that answers, and both of a race. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { requestArrived } from "../fixtures.ts";
import { seconds } from "../../../src/core/units.ts";
import { chargedFor, patientConfig, sumOf, World } from "./world.ts";

const PROMPT_TOKENS_MAX = requestArrived("any").promptTokensMax;
const ATTEMPTS_MAX = 5;

/** How far an attempt gets: whether it tells the length of the prompt, and how many tokens come. */
const work = fc.record({
  promptTokens: fc.option(fc.integer({ min: 1, max: PROMPT_TOKENS_MAX })),
  tokens: fc.nat(8),
});
type Work = { promptTokens: number | null; tokens: number };

const retries = fc.record({
  failed: fc.array(
    fc.record({ work, reason: fc.constantFrom("unreachable", "endpoint_error", "stream_broken", "stalled") }),
    { maxLength: ATTEMPTS_MAX - 1 },
  ),
  last: work,
  /** The last may be answered, be refused for good, or its client leaves: while it runs, or while it waits to be tried again. */
  end: fc.constantFrom("finished", "failed", "gone", "gone later"),
  perRequest: fc.nat(5),
});

test("a retry is charged for what each attempt used, and the request once", () => {
  fc.assert(
    fc.property(retries, ({ failed, last, end, perRequest }) => {
      const config = patientConfig({ retriesMax: ATTEMPTS_MAX });
      const price = { input: 1_000_000, cachedInput: 500_000, output: 2_000_000, request: perRequest };
      const tail = { ...config.scheduling.tail, backoff: { baseUs: seconds(1), maxUs: seconds(1) } };
      const scheduling = { ...config.scheduling, tail };
      const world = new World({ ...config, prices: { m: price }, scheduling });
      for (let i = 0; i <= ATTEMPTS_MAX; i++) world.join(`w${i}`);
      const request = world.request();
      for (const each of failed) {
        const { attempt } = world.attempt;
        play(world, attempt, each.work);
        world.fail(attempt, each.reason);
        world.wait(seconds(1));
        assert.notEqual(world.attempt.attempt, attempt, "it is tried again");
      }
      const { attempt } = world.attempt;
      play(world, attempt, last);
      if (end === "finished") world.finish(attempt, usageOf(last));
      else if (end === "failed") world.fail(attempt, "request_rejected");
      else {
        if (end === "gone later") world.fail(attempt, "stream_broken");
        world.send({ kind: "client_gone", request });
      }

      const uses = [...failed.map((each) => each.work), last].map((each) => {
        const isFinished = end === "finished" && each === last;
        return chargedFor({ ...(isFinished ? usageOf(each) : usageSoFar(each)), requests: 0 });
      });
      // An answer is charged as a request even where it is empty.
      const isCharged = uses.some(({ nanoUsd }) => nanoUsd > 0) || end === "finished";
      const sum = sumOf(uses);
      const expected = isCharged ? { ...sum, nanoUsd: sum.nanoUsd + perRequest, requests: 1 } : sum;
      assert.deepEqual(world.chargedTo(request), expected);
      assert.equal(world.openHolds, 0);
    }),
    { numRuns: 300 },
  );
});

const races = fc.record({
  first: work,
  hedge: work,
  /** Who shows a token first, if anybody does before the client leaves. */
  winner: fc.constantFrom("first", "hedge", null),
  end: fc.constantFrom("finished", "gone"),
});

test("both attempts of a race are charged for what they used", () => {
  fc.assert(
    fc.property(races, ({ first, hedge, winner, end }) => {
      const config = patientConfig();
      const hedging = { percentile: 0.5, shareMax: 1, samplesMin: 1 };
      const tail = { ...config.scheduling.tail, hedge: hedging };
      const world = new World({ ...config, scheduling: { ...config.scheduling, tail } });
      world.join("a");
      world.join("b");
      // The time that its first token takes is what others are measured by.
      answerOne(world);
      const request = world.request();
      const slow = world.attempt.attempt;
      world.wait(seconds(5));
      const late = world.attempt.attempt;
      assert.notEqual(late, slow, "a second attempt is sent");

      const [slowWork, lateWork] = [
        { ...first, tokens: winner === "first" ? Math.max(1, first.tokens) : 0 },
        { ...hedge, tokens: winner === "hedge" ? Math.max(1, hedge.tokens) : 0 },
      ];
      if (slowWork.promptTokens !== null) world.start(slow, slowWork.promptTokens);
      if (lateWork.promptTokens !== null) world.start(late, lateWork.promptTokens);
      if (slowWork.tokens > 0) world.output(slow, slowWork.tokens);
      if (lateWork.tokens > 0) world.output(late, lateWork.tokens);
      const [won, wonBy] = winner === "first" ? [slow, slowWork] : [late, lateWork];
      const isFinished = winner !== null && end === "finished";
      if (isFinished) world.finish(won, usageOf(wonBy));
      else world.send({ kind: "client_gone", request });

      const uses = [slowWork, lateWork].map((each) => {
        const used = isFinished && each === wonBy ? usageOf(each) : usageSoFar(each);
        return chargedFor({ ...used, requests: 0 });
      });
      const isCharged = uses.some(({ nanoUsd }) => nanoUsd > 0) || isFinished;
      assert.deepEqual(world.chargedTo(request), { ...sumOf(uses), requests: isCharged ? 1 : 0 });
      assert.equal(world.openHolds, 0);
    }),
    { numRuns: 200 },
  );
});

function play(world: World, attempt: string, { promptTokens, tokens }: Work): void {
  if (promptTokens !== null) world.start(attempt, promptTokens);
  if (tokens > 0) world.output(attempt, tokens);
}

function answerOne(world: World): void {
  world.request();
  const { attempt } = world.attempt;
  world.wait(seconds(1));
  world.output(attempt, 1);
  world.finish(attempt, { promptTokens: 1, cachedTokens: 0, completionTokens: 1 });
}

/** What the endpoint says at the end. */
function usageOf({ promptTokens, tokens }: Work): {
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
} {
  return { promptTokens: promptTokens ?? 0, cachedTokens: 0, completionTokens: tokens };
}

/** Of one that never said how long the prompt is, but has generated, the bound of the prompt is charged. */
function usageSoFar({ promptTokens, tokens }: Work): { promptTokens: number; completionTokens: number } {
  const unheardOf = tokens > 0 ? PROMPT_TOKENS_MAX : 0;
  return { promptTokens: promptTokens ?? unheardOf, completionTokens: tokens };
}
