/** Rule 5: what can never fit is told from what does not fit now, and who asked to wait is not refused before it has to be. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Accounts, EMPTY_LEDGER } from "../../../src/core/budget/accounts.ts";
import { Budget } from "../../../src/core/budget/budget.ts";
import type { Shortage } from "../../../src/core/budget/shortage.ts";
import type { LedgerEntry } from "../../../src/core/budget/ledger-entry.ts";
import { LIMIT_UNITS, type LimitRow } from "../../../src/core/budget/limits.ts";
import { type Micros, seconds } from "../../../src/core/units.ts";
import { requestArrived } from "../fixtures.ts";
import { amountIn, Book, mostFor } from "./book.ts";
import { type Scene, scenes } from "./drawing.ts";
import { type Operation, type Play, playScene, rankOf } from "./play.ts";
import { chargedFor, patientConfig, World } from "./world.ts";

type Asked = Extract<Operation, { kind: "reserve" | "extend" }>;

/** Enough for every window that is drawn to be over. */
const LONG_US = seconds(10 * 86_400);

const REFUSING = { weights: { reserve: 12, post: 8 } };

/** Windows of which a part comes free at a time, and enough that is posted in them bit by bit. */
const ROLLING = {
  windows: ["rolling:7200", "rolling:86400"],
  weights: { reserve: 12, post: 4, overage: 8, extend: 0, void: 0, limit: 0 },
};

test("what is called permanent never fits; anything else does, once holds are released and windows are over", () => {
  fc.assert(
    fc.property(fc.oneof(scenes(REFUSING), scenes(ROLLING)), (scene) => {
      playScene(scene, (play, operation) => {
        if (operation.kind !== "reserve") return;
        return (result) => {
          if (result === null || "sequence" in result) return;
          const budget = withoutHolds(scene, play);
          if (result.isPermanent) checkNever(budget, operation, play.clockUs);
          else checkLater(budget, operation, { first: result, nowUs: play.clockUs });
        };
      });
    }),
    { numRuns: 500 },
  );
});

/** The same balances, and everything that was held is free. */
function withoutHolds({ clocks }: Scene, play: Play): Budget {
  const accounts = new Accounts({ ...EMPTY_LEDGER, zones: [clocks.rules], tracked: play.tracked });
  for (const entry of play.entries) accounts.apply(entry);
  const budget = new Budget(accounts.state, rankOf);
  const limits = [...play.book.limits.values()];
  budget.setLimits(limits, { zones: [], used: [], through: play.entries.length });
  for (const { hold } of play.open) budget.void(hold, play.clockUs);
  return budget;
}

function checkNever(budget: Budget, asked: Asked, nowUs: Micros): void {
  for (const atUs of [nowUs, nowUs + LONG_US]) assert.equal(budget.fits(asked, atUs), false, "it never fits");
}

/** Goes from one instant that it is put off to to the next. */
function checkLater(
  budget: Budget,
  asked: Asked,
  { first, nowUs }: { first: Shortage; nowUs: Micros },
): void {
  const now = reserve(budget, asked, nowUs);
  const isStillShort = now !== null && isSame(now, first);
  assert.equal(first.resetUs === null, !isStillShort, "a release helps exactly where that is said");
  let shortage = now;
  for (let atUs = nowUs; shortage !== null;) {
    const { isPermanent, resetUs } = shortage;
    assert(!isPermanent && resetUs !== null && resetUs > atUs, "time helps where nothing is held");
    assert(resetUs - nowUs <= LONG_US);
    assert(reserve(budget, asked, resetUs - 1) !== null, "not before");
    const next = reserve(budget, asked, resetUs);
    assert(next === null || !isSame(next, shortage), "but then");
    shortage = next;
    atUs = resetUs;
  }
}

function reserve(budget: Budget, asked: Asked, atUs: Micros): Shortage | null {
  const result = budget.reserve({ id: "later", model: "m" }, asked, atUs);
  return "limit" in result ? result : null;
}

function isSame(a: Shortage, b: Shortage): boolean {
  return a.account === b.account && a.limit.unit === b.limit.unit && a.limit.window === b.limit.window;
}

const PROMPT_TOKENS_MAX = requestArrived("any").promptTokensMax;
const PACKET_TOKENS = 4;

const situations = fc.record({
  limits: fc.array(
    fc.record({
      account: fc.constantFrom("global", "global/local"),
      unit: fc.constantFrom(...LIMIT_UNITS),
      window: fc.constantFrom("total", "minute", "hour", "rolling:60"),
      amount: fc.nat(90).map(String),
    }),
    { minLength: 1, maxLength: 3 },
  ),
  before: fc.array(
    fc.record({ maxTokens: fc.integer({ min: 1, max: 8 }), isFinished: fc.boolean(), tokens: fc.nat(4) }),
    { maxLength: 4 },
  ),
  maxTokens: fc.integer({ min: 1, max: 8 }),
  budgetWaitUs: fc.constantFrom(0, seconds(30), seconds(300)),
  after: fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant("finish" as const), tokens: fc.nat(4) }),
      fc.record({ kind: fc.constant("wait" as const), us: fc.integer({ min: 1, max: seconds(100) }) }),
    ),
    { maxLength: 6 },
  ),
});

test("402 where it can never fit, 429 with the time to come again where it can, and neither as long as it may wait", () => {
  fc.assert(
    fc.property(situations, ({ limits, before, maxTokens, budgetWaitUs, after }) => {
      const world = new World(patientConfig({ packetTokens: PACKET_TOKENS }));
      for (const row of limits) world.limit(row);
      world.join("a");
      const running: string[] = [];
      for (const each of before) {
        world.wait(seconds(1));
        const sent = world.attempts.length;
        world.request({ maxTokens: each.maxTokens });
        if (world.attempts.length === sent) continue;
        if (each.isFinished) finish(world, world.attempt.attempt, each.tokens);
        else running.push(world.attempt.attempt);
      }

      const arrivedUs = world.nowUs;
      const patienceUs = arrivedUs + budgetWaitUs;
      const request = world.request({ maxTokens, budgetWaitUs });
      const tokens = Math.min(maxTokens, PACKET_TOKENS);
      const charge = chargedFor({ promptTokens: PROMPT_TOKENS_MAX, completionTokens: tokens });
      const wanted = { account: "global/local", priority: null, charge };
      for (let i = 0; ; i++) {
        const book = bookOf(
          world.entries.filter(({ hold }) => !hold.startsWith(`${request}/`)),
          limits,
        );
        const isOver = world.nowUs >= patienceUs;
        const short = book.shortOf(wanted, isOver ? patienceUs : world.nowUs);
        const error = world.effectsOf("fail_request").find((effect) => effect.request === request)?.error;
        const isHeld = world.entries.some(({ hold }) => hold.startsWith(`${request}/`));
        assert.equal(isHeld, short.length === 0, "it gets its hold as soon as there is room");
        if (isHeld) return assert.equal(error, undefined);

        const refusedUs = isOver ? patienceUs : world.nowUs;
        const needed = (row: LimitRow): bigint => amountIn(row.unit, charge);
        const never = short.filter((row) => {
          const posted = row.window === "total" ? book.postedUnder(row, refusedUs) : 0n;
          return posted + needed(row) > mostFor(row, null);
        });
        const mayWait = never.length === 0 && !isOver;
        assert.equal(error === undefined, mayWait, "who may wait is not refused");
        if (error !== undefined) {
          const expected = never.length > 0 ? "budget_insufficient" : "budget_exhausted";
          assert.equal(error.code, expected);
          const named = (never.length > 0 ? never : short).find(({ account, unit, window }) => {
            const { limit } = error as { limit?: { unit: string; window: string } };
            return account === error.account && unit === limit?.unit && window === limit.window;
          });
          assert(named !== undefined, "a limit is named that stands in the way");
          if (expected === "budget_insufficient") return assert.equal(error.retryAfterSeconds, undefined);
          // Then what is posted leaves room, if nothing else is held by that time.
          const againUs = refusedUs + seconds(error.retryAfterSeconds!);
          const isRoom = (atUs: Micros): boolean =>
            book.postedUnder(named, atUs) + needed(named) <= BigInt(named.amount!);
          assert(isRoom(againUs));
          return assert(isRoom(refusedUs) || !isRoom(againUs - seconds(1) - 1), "and not long before");
        }
        const next = after[i];
        if (next === undefined) return;
        if (next.kind === "wait") world.wait(next.us);
        else if (running.length > 0) finish(world, running.shift()!, next.tokens);
      }
    }),
    { numRuns: 400 },
  );
});

function finish(world: World, attempt: string, completionTokens: number): void {
  world.finish(attempt, { promptTokens: PROMPT_TOKENS_MAX, cachedTokens: 0, completionTokens });
}

function bookOf(entries: readonly LedgerEntry[], limits: readonly LimitRow[]): Book {
  const book = new Book();
  for (const row of limits) book.setLimit(row);
  for (const entry of entries) book.read(entry);
  return book;
}
