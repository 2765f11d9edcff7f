/** Rule 12 where several supervisors share the ledger: nobody opens, draws on or closes a slice unless all of them know. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Charge, NOTHING } from "../../../src/core/budget/charge.ts";
import type { LimitRow } from "../../../src/core/budget/limits.ts";
import { placeOfSlice, UNIT_OF } from "../../../src/core/budget/slice.ts";
import { seconds } from "../../../src/core/units.ts";
import { amountIn } from "../rules/book.ts";
import { type BookedSlice, isWithin } from "../rules/slice-book.ts";
import { countsAt } from "../rules/windows.ts";
import { type Replica, Replicas } from "./replicas.ts";
import { SliceJournal } from "./slice-journal.ts";

const START_US = seconds(1_700_000_000);
const LIMITS: LimitRow[] = [
  { account: "global", unit: "usd", window: "total", amount: "1000" },
  { account: "global/a", unit: "usd", window: "minute", amount: "300" },
  { account: "global/a/k", unit: "requests", window: "rolling:60", amount: "20" },
  { account: "global/b", unit: "output_tokens", window: "total", amount: "400" },
  { account: "global/a/k/s1", unit: "tokens", window: "total", amount: "150" },
];
const RUNS = Number(process.env["LEASE_RUNS"] ?? 100);

type Step =
  | { kind: "reserve"; pick: number; account: string; charge: Charge }
  | { kind: "extend"; pick: number; index: number; charge: Charge }
  | { kind: "end"; pick: number; index: number; how: "void" | "doubt" | "post"; percent: number }
  | { kind: "open"; pick: number; account: string; charge: Charge; ttl: number | null }
  | { kind: "show" | "close"; pick: number; account: string }
  | { kind: "read" | "hear"; pick: number; count: number }
  | { kind: "kill" | "start"; pick: number }
  | { kind: "wait"; seconds: number };

const pick = fc.nat(20);
const index = fc.nat(20);
/** Few names, so that they are used before they are opened, opened twice, and inside of each other. */
const subAccount = fc
  .tuple(fc.constantFrom("global/a/k", "global/b"), fc.nat(2), fc.option(fc.nat(1), { freq: 2 }))
  .map(([key, outer, inner]) => `${key}/s${outer}${inner === null ? "" : `/s${inner}`}`);
const account = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom("global/a/k", "global/a/l", "global/b/m") },
  { weight: 2, arbitrary: subAccount },
  { weight: 2, arbitrary: subAccount.map((name) => `${name}/t`) },
);
const some = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 60 }));
const charge = fc
  .record({ nanoUsd: some, inputTokens: some, outputTokens: some, requests: fc.nat(1) })
  .map((parts) => ({ ...NOTHING, ...parts }));
const size = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 300 }));
const amounts = fc
  .record({ nanoUsd: size, inputTokens: size, outputTokens: size, requests: fc.constantFrom(0, 0, 5) })
  .filter((parts) => Object.values(parts).some((amount) => amount > 0))
  .map((parts) => ({ ...NOTHING, ...parts }));

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("reserve" as const), pick, account, charge }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("extend" as const), pick, index, charge }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("end" as const),
      pick,
      index,
      how: fc.constantFrom("void" as const, "doubt" as const, "post" as const),
      percent: fc.nat(100),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("open" as const),
      pick,
      account: subAccount,
      charge: amounts,
      ttl: fc.option(fc.integer({ min: 1, max: 90 })),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom("show" as const, "close" as const),
      pick,
      account: subAccount,
    }),
  },
  {
    weight: 16,
    arbitrary: fc.record({
      kind: fc.constantFrom("read" as const, "hear" as const),
      pick,
      count: fc.constantFrom(1, 2, Infinity),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("kill" as const, "start" as const), pick }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("wait" as const), seconds: fc.nat(20) }) },
);
/** Sizes that a few charges use up, and limits above with them. */
const tight = fc.integer({ min: 100, max: 300 }).map((nanoUsd) => ({ ...NOTHING, nanoUsd }));
const opened = fc.record({
  kind: fc.constant("open" as const),
  pick,
  account: fc.constantFrom("global/a/k/s0", "global/b/s0"),
  charge: tight,
  ttl: fc.constant(null),
});
const money = fc.integer({ min: 20, max: 100 }).map((nanoUsd) => ({ ...NOTHING, nanoUsd }));
const where = fc.constantFrom("global/a/k/s0/t", "global/a/k/s0/t", "global/a/l", "global/b/s0");
const pressed: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ kind: fc.constant("reserve" as const), pick, account: where, charge: money }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait" as const), seconds: fc.constant(60) }) },
  { weight: 24, arbitrary: step },
);

/** What everybody knows of before the rest begins, and the rest. */
interface Program {
  first: Step[];
  rest: Step[];
}

const program = (maxLength: number): fc.Arbitrary<Program> =>
  fc.oneof(
    fc.record({
      first: fc.constant<Step[]>([]),
      rest: fc.array(step, { minLength: 20, maxLength, size: "max" }),
    }),
    fc.record({
      first: fc.array(opened, { minLength: 1, maxLength: 2 }),
      rest: fc.array(pressed, { minLength: 20, maxLength, size: "max" }),
    }),
  );

/** Three supervisors whose clocks differ, and a second book of what they write. */
class World {
  readonly replicas = new Replicas(LIMITS, { nowUs: START_US });
  readonly journal = new SliceJournal(LIMITS);
  /** Asks whose supervisor is there to hear the answer, and that supervisor. */
  readonly asks = new Map<string, Replica>();

  constructor() {
    for (const aheadUs of [0, -seconds(0.5), seconds(0.7)]) this.replicas.start(aheadUs);
  }

  play({ first, rest }: Program): this {
    for (const each of first) this.#step(each);
    this.settle();
    for (const each of rest) {
      this.#step(each);
      this.look();
    }
    return this;
  }

  /** At what has been written. */
  look(): void {
    this.journal.read(this.replicas.journal);
  }

  /** Everything that is under way has arrived, and everybody who has asked about a slice was told, once. */
  settle(): void {
    this.replicas.settle();
    this.look();
    for (const [ask, replica] of this.asks) {
      if (this.replicas.replicas.includes(replica)) assert(this.replicas.told.has(ask), `${ask} is answered`);
    }
  }

  #step(given: Step): void {
    const { replicas } = this;
    if (given.kind === "wait") return void replicas.wait(seconds(given.seconds));
    const replica =
      replicas.replicas[given.pick % Math.max(1, replicas.replicas.length)] ?? replicas.start(0);
    switch (given.kind) {
      case "reserve":
        return void replicas.reserve(replica, given.account, given.charge);
      case "extend":
        return void replicas.extend(replica, given.index, given.charge);
      case "end":
        return replicas.end(replica, given.index, given);
      case "open": {
        const { account: name, charge: wanted, ttl } = given;
        const ttlUs = ttl === null ? null : seconds(ttl);
        const opening = { payer: "global", amounts: wanted, ttlUs, priority: null };
        return this.#ask(replica, { account: name, action: "open", ...opening });
      }
      case "show":
      case "close":
        return this.#ask(replica, { account: given.account, action: given.kind });
      case "read":
        return replicas.read(replica, given.count);
      case "hear":
        return replicas.hear(replica, given.count);
      case "kill":
        return replicas.kill(replica);
      case "start":
        return void replicas.start(seconds(0.3));
    }
  }

  #ask(replica: Replica, question: Parameters<Replicas["askSlice"]>[1]): void {
    this.asks.set(this.replicas.askSlice(replica, question), replica);
  }
}

test("whoever opens, draws on and closes slices where and when, nobody takes what a slice has not left, nor what limits have not", () => {
  let count = 0;
  fc.assert(
    fc.property(program(250), (steps) => {
      const world = new World().play(steps);
      const { replicas, journal } = world;
      while (replicas.replicas[0] !== undefined) {
        replicas.kill(replicas.replicas[0]);
        world.look();
      }
      // Their time is over at last, with nobody there.
      replicas.wait(seconds(5_000));
      world.look();
      assert.equal(journal.book.slices.length, 0);
      assert.equal(journal.book.held.length, 0);
      count += journal.opened;
    }),
    { numRuns: 8 * RUNS },
  );
  assert(count > RUNS, "slices are opened");
});

test("everybody is answered, any supervisor can spend what is left of a slice to the last of it, and closed it frees the rest", () => {
  fc.assert(
    fc.property(program(150), fc.nat(), fc.nat(), (steps, at, which) => {
      const world = new World().play(steps);
      const { replicas, journal } = world;
      if (replicas.replicas.length === 0) replicas.start(0);
      world.settle();
      for (const replica of replicas.replicas) {
        while (replica.open.length > 0) replicas.close(replica, 0, "void");
      }
      // Nothing that was believed is believed any more, and no clock is in another minute than the others until all is spent.
      const second = Math.floor(replicas.nowUs / seconds(1)) % 60;
      replicas.wait(seconds(second >= 2 && second < 30 ? 3 : 65 - second));
      world.settle();
      const soonUs = replicas.nowUs + seconds(30);
      const lasting = journal.book.slices.filter(({ id }) => placeOfSlice(id)!.expiresUs > soonUs);
      const slice = lasting[at % Math.max(1, lasting.length)];
      const replica = replicas.replicas[which % replicas.replicas.length]!;
      if (slice !== undefined) spendAll(world, { slice, replica });
      for (const { account: name } of journal.book.slices) {
        const ask = replicas.askSlice(replica, { account: name, action: "close" });
        world.settle();
        assert.equal(replicas.told.get(ask)?.slice?.status, "closed");
      }
      for (const each of replicas.replicas) while (each.open.length > 0) replicas.close(each, 0, "void");
      world.settle();
      assert.equal(journal.book.slices.length, 0);
      assert.equal(journal.book.held.length, 0);
    }),
    { numRuns: 8 * RUNS },
  );
});

test("a supervisor that starts while a slice is to come waits with what it would take there, and then takes it from the slice", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 100, max: 300 }), (amount, size_) => {
      const world = new World();
      const { replicas } = world;
      const slice = "global/b/agent";
      const opening = {
        payer: "global/b",
        amounts: { ...NOTHING, nanoUsd: size_ },
        ttlUs: null,
        priority: null,
      };
      replicas.askSlice(replicas.replicas[0]!, { account: slice, action: "open", ...opening });
      replicas.read(replicas.replicas[0]!);
      const late = replicas.start(0);
      const taken = { ...NOTHING, nanoUsd: amount };
      assert.equal(replicas.reserve(late, `${slice}/task`, taken), "asked");
      assert.equal(replicas.reserve(late, "global/b/other", taken), "asked");
      replicas.read(late);
      replicas.hear(late);
      assert.equal(replicas.reserve(late, `${slice}/task`, taken), "asked");
      assert.equal(replicas.reserve(late, "global/b/other", taken), "held");
      world.settle();
      assert.equal(replicas.reserveAtLast(late, `${slice}/task`, taken), "held");
      world.settle();
      assert.equal(world.journal.book.restOf(world.journal.book.slices[0]!).nanoUsd, size_ - amount);
    }),
  );
});

test("what a hold leaves of a slice is the slice's again, and nobody's above it", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 100 }), (drawn, outside) => {
      const world = new World();
      const { replicas } = world;
      const slice = "global/a/k/agent";
      const amounts_ = { ...NOTHING, nanoUsd: 200 };
      const opening = { payer: "global/a/k", amounts: amounts_, ttlUs: null, priority: null };
      const one = replicas.replicas[0]!;
      replicas.askSlice(one, { account: slice, action: "open", ...opening });
      world.settle();
      // So that it has a lease of what is above.
      assert.equal(replicas.reserveAtLast(one, "global/a/k", { ...NOTHING, nanoUsd: outside }), "held");
      assert.equal(replicas.reserveAtLast(one, slice, { ...NOTHING, nanoUsd: drawn }), "held");
      replicas.close(one, 1, "void");
      world.settle();
      replicas.wait(seconds(2));
      const more = { ...NOTHING, nanoUsd: 101 - outside };
      assert.notEqual(replicas.reserveAtLast(one, "global/a/k", more), "held");
      replicas.wait(seconds(2));
      assert.equal(replicas.reserveAtLast(one, slice, amounts_), "held");
      world.settle();
    }),
  );
});

test("what a supervisor tells of limits and slices is what is used of them, whatever others have leased and don't use", () => {
  let told = 0;
  fc.assert(
    fc.property(program(150), fc.nat(), account, (steps, which, name) => {
      const world = new World().play(steps);
      const { replicas, journal } = world;
      if (replicas.replicas.length === 0) replicas.start(0);
      world.settle();
      // Nothing that was told before is new enough, and no clock is in another minute than the others.
      const second = Math.floor(replicas.nowUs / seconds(1)) % 60;
      replicas.wait(seconds(150 - second));
      world.settle();
      const replica = replicas.replicas[which % replicas.replicas.length]!;
      const nowUs = replica.budget.clock(replicas.nowUs + replica.aheadUs);
      if (replicas.reserveAtLast(replica, name, { ...NOTHING, nanoUsd: 1 }) !== "held") return;
      // It is the last that has used anything, and what was asked with it or about it is answered.
      world.settle();
      const remainders = replica.budget.remainders(name, nowUs);
      for (const slice of journal.book.slices) {
        for (const part of ["nanoUsd", "inputTokens", "outputTokens", "requests"] as const) {
          if (!isWithin(name, slice.account) || slice.amounts[part] === 0) continue;
          const unit = UNIT_OF[part];
          const shown = remainders.find(({ account: of, limit, posted, held }) => {
            const isIts = of === slice.account && limit.unit === unit && limit.window === "total";
            return isIts && limit.amount === BigInt(slice.amounts[part]) && posted + held <= limit.amount;
          });
          assert.equal(shown?.remaining, BigInt(journal.book.restOf(slice)[part]));
          told++;
        }
      }
      for (const row of journal.book.limitsOn(name)) {
        const shown = remainders.find(({ account: of, limit }) => {
          return of === row.account && limit.unit === row.unit && limit.window === row.window;
        });
        const used = journal.book.usedUnder(row, nowUs);
        assert.equal(shown?.remaining, BigInt(row.amount!) - used, `${row.unit} of ${row.account}`);
        told++;
      }
    }),
    { numRuns: 4 * RUNS },
  );
  assert(told > RUNS, "something is told");
});

/** Of each part of the slice, all that is left can be had at once, and not one more. */
function spendAll(
  { replicas, journal }: World,
  { slice, replica }: { slice: BookedSlice; replica: Replica },
): void {
  for (const part of ["nanoUsd", "inputTokens", "outputTokens"] as const) {
    if (slice.amounts[part] === 0) continue;
    const left = leftOf(journal, { slice, part, nowUs: replicas.nowUs + replica.aheadUs });
    const refused = replicas.reserveAtLast(replica, slice.account, { ...NOTHING, [part]: left + 1 });
    assert.notEqual(refused, "held", `${left} ${part} are left`);
    // Its clock may be behind by so much that the refusal is believed until then.
    replicas.wait(seconds(2));
    if (left > 0) {
      const charge_ = { ...NOTHING, [part]: left };
      assert.equal(replicas.reserveAtLast(replica, slice.account, charge_), "held", `${left} ${part}`);
    }
    replicas.settle();
    journal.read(replicas.journal);
  }
}

/** What is left of the slice, as far as windows that have begun since have room for it, and limits inside it. */
function leftOf(
  { book }: SliceJournal,
  {
    slice,
    part,
    nowUs,
  }: { slice: BookedSlice; part: "nanoUsd" | "inputTokens" | "outputTokens"; nowUs: number },
): number {
  const rooms = book.limitsOn(slice.account).flatMap((row) => {
    const isAbove = row.account.length < slice.account.length;
    const isCovered = isAbove && countsAt(row.window, slice.atUs, nowUs);
    const isCounted = amountIn(row.unit, { ...NOTHING, [part]: 1 }) > 0n;
    if (isCovered || !isCounted) return [];
    return [Number(BigInt(row.amount!) - book.usedUnder(row, nowUs))];
  });
  return Math.min(book.restOf(slice)[part], ...rooms);
}
