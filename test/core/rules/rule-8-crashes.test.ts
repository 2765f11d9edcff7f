/** Rule 8: after a crash nothing is left open; what nobody knows the use of is posted in full, until a receipt tells. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Accounts, EMPTY_LEDGER, type LedgerState } from "../../../src/core/budget/accounts.ts";
import { type Charge, NOTHING } from "../../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../../src/core/budget/ledger-entry.ts";
import { LIMIT_UNITS, type LimitRow } from "../../../src/core/budget/limits.ts";
import { type Micros, seconds } from "../../../src/core/units.ts";
import { Book } from "./book.ts";
import { chargedFor, patientConfig, SLOTS, World } from "./world.ts";

const ACCOUNTS = [
  "global",
  "global/local",
  "global/local/k",
  "global/local/k/agent",
  "global/local/k/agent/task",
];

/** Limits that stand in nobody's way; what they count is what is looked at. */
const ALL_LIMITS: LimitRow[] = ACCOUNTS.flatMap((account) => {
  return LIMIT_UNITS.map((unit) => ({ account, unit, window: "total", amount: "1000000000" }));
});

/** With them, GPU time is held for as long as a request may take. */
const UNTIMED_LIMITS = ALL_LIMITS.filter(({ unit }) => unit !== "gpu_seconds");

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("request" as const),
      account: fc.constantFrom(...ACCOUNTS.slice(1)),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom("started", "output", "finished", "gone", "broken"),
      pick: fc.nat(5),
      tokens: fc.integer({ min: 1, max: 6 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("hold back" as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("sync" as const) }) },
);

const crashes = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 30, size: "max" }),
  isTimed: fc.boolean(),
  /** From the last step until the next process starts. */
  downUs: fc.nat(seconds(100)),
  /** Of what was not known to be on the disk, so much is there all the same. */
  share: fc.double({ min: 0, max: 1, noNaN: true }),
  receipts: fc.array(
    fc.record({
      pick: fc.nat(20),
      promptTokens: fc.nat(20),
      completionTokens: fc.integer({ min: 1, max: 30 }),
      ranUs: fc.option(fc.nat(seconds(4))),
    }),
    { maxLength: 8 },
  ),
});
type Crash = typeof crashes extends fc.Arbitrary<infer Drawn> ? Drawn : never;

test("after a restart no hold is open: each is posted in full, once, and marked", () => {
  fc.assert(
    fc.property(crashes, (crash) => {
      const { state, book, limits, againUs } = crashed(crash);
      const open = book.held.map(({ hold }) => hold);
      const world = new World(patientConfig());
      world.nowUs = againUs;
      world.restore(state, limits);
      assert.equal(world.openHolds, 0);
      const posted = world.entries.map(({ hold, operation, inDoubt }) => ({ hold, operation, inDoubt }));
      const expected = [...new Set(open)].map((hold) => ({ hold, operation: "post", inDoubt: true }));
      assert.deepEqual(posted, expected);
      for (const { hold, charge, heldAtUs } of world.entries) {
        const held = { ...NOTHING, ...book.heldBy(hold) };
        // Nobody can have run for longer than it is since, on a place.
        const sinceUs = Math.ceil(((againUs - heldAtUs) * GPUS) / SLOTS);
        assert.deepEqual(charge, crash.isTimed ? held : { ...held, gpuUs: sinceUs });
        assert(sinceUs < held.gpuUs || crash.isTimed);
      }
    }),
    { numRuns: 150 },
  );
});

test("a receipt corrects what it is about to what was used, once, and never beyond what was held", () => {
  fc.assert(
    fc.property(crashes, fc.integer({ min: 0, max: 8 }), (crash, restartAfter) => {
      const { state, book, dispatched, limits, againUs } = crashed(crash);
      let world = new World(patientConfig());
      world.nowUs = againUs;
      world.restore(state, limits);
      world.join("a", { gpus: GPUS });
      const entries = [...world.entries];
      const inDoubt = new Map(entries.map(({ hold, charge }) => [hold, charge]));
      for (const [i, { pick, promptTokens, completionTokens, ranUs }] of crash.receipts.entries()) {
        if (i === restartAfter) {
          const again = new World(patientConfig());
          again.nowUs = againUs;
          again.restore(stateOf(state, entries), limits);
          again.join("a", { gpus: GPUS });
          assert.deepEqual(again.entries, [], "a second restart has nothing to close");
          world = again;
        }
        const attempt = dispatched[pick % Math.max(1, dispatched.length)];
        if (attempt === undefined) return;
        const hold = attempt.replace(/#1$/, ":0");
        const usage = { promptTokens, cachedTokens: 0, completionTokens };
        const receipt = {
          attempt,
          model: "m",
          usage,
          continuedFrom: 0,
          isParked: false,
          ...(ranUs === null ? {} : { ranUs }),
        };
        const from = world.entries.length;
        world.send({ kind: "receipts_read", worker: "a", receipts: [receipt] });
        const written = world.entries.slice(from);
        const doubtful = inDoubt.get(hold);
        if (doubtful === undefined) {
          assert.deepEqual(written, [], "what is not in doubt stays as it is");
          continue;
        }
        inDoubt.delete(hold);
        const { requests } = doubtful;
        // Who does not say for how long it ran leaves GPU time as it was held.
        const gpuUs = ranUs === null ? doubtful.gpuUs : Math.ceil((ranUs * GPUS) / SLOTS);
        const told = { ...chargedFor({ promptTokens, completionTokens, requests }), gpuUs };
        const corrected = each((key) => Math.min(told[key], doubtful[key]));
        assert.equal(written.length, 1);
        assert.equal(written[0]!.operation, "adjust");
        assert.deepEqual(
          plain(written[0]!.charge),
          each((key) => corrected[key] - doubtful[key]),
        );
        entries.push(...written);
      }
      // In the end every balance is what the second book says.
      const read = new Book();
      for (const entry of [...book.entries, ...entries]) read.read(entry);
      const accounts = new Accounts(stateOf(state, entries));
      for (const account of ACCOUNTS) {
        const { posted, held } = accounts.balance(account, "total", 0);
        assert.equal(posted.nanoUsd, read.postedUnder({ account, unit: "usd", window: "total" }, 0));
        assert.equal(held.nanoUsd, 0n);
      }
    }),
    { numRuns: 150 },
  );
});

test("a worker that comes is asked for what it knows of every post in doubt", () => {
  fc.assert(
    fc.property(crashes, (crash) => {
      const { state, book, dispatched, limits } = crashed(crash);
      const world = new World(patientConfig());
      world.restore(state, limits);
      world.join("a");
      const asked = new Set(world.effectsOf("ask_receipts").flatMap(({ attempts }) => attempts));
      const open = new Set(book.held.map(({ hold }) => hold));
      for (const attempt of dispatched) {
        if (open.has(attempt.replace(/#1$/, ":0"))) assert(asked.has(attempt), `${attempt} is asked about`);
      }
      assert(open.size > 0 || asked.size === 0);
    }),
    { numRuns: 80 },
  );
});

/** Plays until the process is killed. What is on the disk then is all that is left of it. */
function crashed({ steps, share, isTimed, downUs }: Crash): {
  state: LedgerState;
  book: Book & { entries: LedgerEntry[] };
  dispatched: string[];
  limits: LimitRow[];
  againUs: Micros;
} {
  const limits = isTimed ? ALL_LIMITS : UNTIMED_LIMITS;
  const world = new World(patientConfig({ packetTokens: 4, retriesMax: 0 }));
  for (const row of limits) world.limit(row);
  world.join("a", { gpus: GPUS });
  const requests: string[] = [];
  for (const drawn of steps) {
    world.wait(seconds(1));
    if (drawn.kind === "request") {
      const { account } = drawn;
      requests.push(world.request({ account, streamed: true, maxTokens: 12 }));
    } else if (drawn.kind === "hold back") world.holdBack = true;
    else if (drawn.kind === "sync") {
      world.holdBack = false;
      world.sync();
    } else happen(world, requests, drawn);
  }
  const durable = world.holdBack ? world.durable : world.entries.length;
  const survived = durable + Math.round((world.entries.length - durable) * share);
  const entries = world.entries.slice(0, survived);
  const book = Object.assign(new Book(), { entries });
  for (const entry of entries) book.read(entry);
  const dispatched = world.attempts.map(({ attempt }) => attempt);
  const againUs = world.nowUs + downUs;
  return { state: stateOf(EMPTY_LEDGER, entries), book, dispatched, limits, againUs };
}

function happen(
  world: World,
  requests: readonly string[],
  { kind, pick, tokens }: { kind: string; pick: number; tokens: number },
): void {
  const attempt = world.attempts.at(-1 - pick)?.attempt;
  const request = requests.at(-1 - pick);
  if (attempt === undefined || request === undefined) return;
  if (kind === "started") world.start(attempt, tokens);
  else if (kind === "output") world.output(attempt, tokens);
  else if (kind === "gone") world.send({ kind: "client_gone", request });
  else if (kind === "broken") world.fail(attempt, "stream_broken");
  else world.finish(attempt, { promptTokens: tokens, cachedTokens: 0, completionTokens: tokens });
}

function stateOf(state: LedgerState, entries: readonly LedgerEntry[]): LedgerState {
  const accounts = new Accounts(state);
  for (const entry of entries) accounts.apply(entry);
  return accounts.state;
}

/** Of the worker. */
const GPUS = 2;
const KEYS = ["nanoUsd", "inputTokens", "outputTokens", "requests", "gpuUs"] as const;
type Key = (typeof KEYS)[number];

function each(amountOf: (key: Key) => number): Record<Key, number> {
  return Object.fromEntries(KEYS.map((key) => [key, amountOf(key)])) as Record<Key, number>;
}

function plain(charge: Charge): Record<Key, number> {
  return each((key) => charge[key]);
}
