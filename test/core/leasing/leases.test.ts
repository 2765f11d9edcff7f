import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Accounts } from "../../../src/core/budget/accounts.ts";
import { Budget } from "../../../src/core/budget/budget.ts";
import { NOTHING } from "../../../src/core/budget/charge.ts";
import { pathOf } from "../../../src/core/budget/paths.ts";
import type { LedgerEntry } from "../../../src/core/budget/ledger-entry.ts";
import { chargedIn, type LimitRow } from "../../../src/core/budget/limits.ts";
import { LeaseDesk } from "../../../src/core/leasing/lease-desk.ts";
import { seconds } from "../../../src/core/units.ts";
import { chargeOf, Replicas } from "./replicas.ts";

const START_US = seconds(1_700_000_000);
const LIMITS: LimitRow[] = [
  { account: "global", unit: "usd", window: "total", amount: "1000" },
  { account: "global/a", unit: "usd", window: "minute", amount: "300" },
  { account: "global/a/k", unit: "requests", window: "rolling:60", amount: "20" },
  { account: "global/a/l", unit: "gpu_seconds", window: "hour", amount: "700" },
  { account: "global/b", unit: "output_tokens", window: "total", amount: "400" },
];
const RUNS = Number(process.env["LEASE_RUNS"] ?? 100);
const ACCOUNTS = ["global/a/k", "global/a/l", "global/b/m"];

test("all replicas together never pass a limit, whatever is under way when", () => {
  fc.assert(
    fc.property(fc.array(stepArbitrary(), { minLength: 20, maxLength: 250, size: "max" }), (steps) => {
      const world = new Replicas(LIMITS, { nowUs: START_US });
      for (const aheadUs of [0, -seconds(0.5), seconds(0.7)]) world.start(aheadUs);
      for (const step of steps) play(world, step);
      assertWithinLimits(world.journal);
      // What is under way when all are dead is lost, and what they held is used.
      while (world.replicas[0] !== undefined) world.kill(world.replicas[0]);
      assertWithinLimits(world.journal);
      assert.equal(world.desk.openHolds, 0);
    }),
    { numRuns: 3 * RUNS },
  );
});

test("slices that a supervisor alone has left stay held, and what replicas take below them comes out of them", () => {
  const single = new Budget();
  const amounts = { ...NOTHING, nanoUsd: 100 };
  const place = { account: "global/a/k/agent", expiresUs: START_US + seconds(60), priority: null };
  const opened = single.openSlice({ ...place, amounts }, START_US) as LedgerEntry;
  const left = single.reserve(
    { id: "r0/0:0", model: "m" },
    { account: `${place.account}/old`, priority: null, charge: { ...NOTHING, nanoUsd: 10 } },
    START_US,
  ) as LedgerEntry;
  const before = new Accounts();
  for (const entry of [opened, left]) before.apply(entry);

  const desk = new LeaseDesk({ state: before.state, limits: LIMITS, tell: () => {} });
  desk.begin(START_US);
  const journal = desk.takeEntries();
  assert.deepEqual(
    journal.map(({ operation, hold, inDoubt }) => [operation, hold, inDoubt]),
    [["post", "r0/0:0", true]],
  );
  desk.join("r1", START_US);
  const entry: LedgerEntry = { ...left, sequence: 1, hold: "r1/0:0", charge: { ...NOTHING, nanoUsd: 60 } };
  desk.append("r1", entry);
  journal.push(...desk.takeEntries());
  assert.equal(desk.openHolds, 1);
  for (const each of journal) before.apply(each);
  assert.equal(before.slices.find(place.account)!.rest.nanoUsd, 30);
  assert.equal(before.balance("global/a/k", "total", START_US).held.nanoUsd, 90n);
  desk.leave("r1", START_US);
  for (const each of desk.takeEntries()) before.apply(each);
  assert.equal(before.balance("global/a/k", "total", START_US).held.nanoUsd, 30n);
  assert.equal(before.balance("global", "total", START_US).posted.nanoUsd, 70n);
});

test("any one replica can spend what is left to the last cent, and not one more", () => {
  fc.assert(
    fc.property(
      fc.array(stepArbitrary(), { minLength: 20, maxLength: 150, size: "max" }),
      fc.nat(),
      (steps, pick) => {
        const world = new Replicas(LIMITS, { nowUs: START_US });
        for (const aheadUs of [0, -seconds(0.5), seconds(0.7)]) world.start(aheadUs);
        for (const step of steps) play(world, step);
        if (world.replicas.length === 0) world.start(0);
        world.settle();
        for (const replica of world.replicas) while (replica.open.length > 0) world.close(replica, 0, "void");
        world.settle();
        // Long after, so that only what counts in total is used up, and nothing that was believed is believed any more.
        world.nowUs += seconds(300);
        const replica = world.replicas[pick % world.replicas.length]!;
        const left = 1_000 - totalOf(world.journal, "global");
        if (left < 1_000) {
          const more = world.reserveAtLast(replica, "global/c", chargeOf(left + 1));
          assert.ok(more !== "held" && more.remaining === BigInt(left), `${left} are left`);
        }
        if (left === 0) return;
        world.nowUs += seconds(1);
        assert.equal(world.reserveAtLast(replica, "global/c", chargeOf(left)), "held");
        world.settle();
        assertWithinLimits(world.journal);
      },
    ),
    { numRuns: 3 * RUNS },
  );
});

type Step =
  | { kind: "reserve"; pick: number; account: string; amount: number }
  | { kind: "close"; pick: number; index: number; how: "void" | "doubt" | number }
  | { kind: "read" | "hear"; pick: number; count: number }
  | { kind: "kill"; pick: number }
  | { kind: "wait"; seconds: number };

function stepArbitrary(): fc.Arbitrary<Step> {
  const pick = fc.nat(20);
  const how = fc.oneof(fc.constant("void" as const), fc.constant("doubt" as const), fc.nat(100));
  const amount = fc.integer({ min: 1, max: 200 });
  return fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant("reserve" as const),
        pick,
        account: fc.constantFrom(...ACCOUNTS),
        amount,
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant("close" as const), pick, index: fc.nat(20), how }),
    },
    {
      weight: 12,
      arbitrary: fc.record({
        kind: fc.constantFrom("read" as const, "hear" as const),
        pick,
        count: fc.constantFrom(1, 2, Infinity),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("kill" as const), pick }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant("wait" as const), seconds: fc.integer({ min: 0, max: 20 }) }),
    },
  );
}

function play(world: Replicas, step: Step): void {
  if (step.kind === "wait") {
    return void world.wait(seconds(step.seconds));
  }
  const replica = world.replicas[step.pick % Math.max(1, world.replicas.length)] ?? world.start(0);
  switch (step.kind) {
    case "reserve":
      return void world.reserve(replica, step.account, chargeOf(step.amount));
    case "close": {
      if (replica.open.length === 0) return;
      const { how } = step;
      // Never more than was held: a provider's own overage is another test's.
      return world.close(replica, step.index, typeof how === "number" ? { used: chargeOf(1) } : how);
    }
    case "read":
      return world.read(replica, step.count);
    case "hear":
      return world.hear(replica, step.count);
    case "kill":
      world.kill(replica);
      if (step.pick % 2 === 0) world.start(seconds(0.3));
  }
}

/** Added up from the journal alone: for each limit and each of its instances, at every entry. */
function assertWithinLimits(journal: readonly LedgerEntry[]): void {
  for (const limit of LIMITS) {
    const used = new Map<number, number>();
    const holds = new Map<string, { atUs: number; amount: number }>();
    for (const entry of journal) {
      if (!pathOf(entry.account).includes(limit.account)) continue;
      const amount = Number(chargedIn(limit.unit, entry.charge));
      const before = holds.get(entry.hold);
      if (entry.operation === "reserve") holds.set(entry.hold, { atUs: entry.atUs, amount });
      const { atUs } = holds.get(entry.hold)!;
      const delta =
        entry.operation === "reserve"
          ? amount
          : entry.operation === "void"
            ? -amount
            : amount - before!.amount;
      for (const instance of instancesOf(limit, atUs)) {
        const sum = (used.get(instance) ?? 0) + delta;
        used.set(instance, sum);
        assert.ok(sum <= Number(limit.amount), `${limit.account} ${limit.window}: ${sum} of ${limit.amount}`);
      }
    }
  }
}

/** Numbers of what counts together with that instant: of a rolling window, of every second in which it still counts. */
function instancesOf({ window }: LimitRow, atUs: number): number[] {
  const second = Math.floor(atUs / seconds(1));
  if (window === "total") return [0];
  if (window === "minute") return [Math.floor(second / 60)];
  return Array.from({ length: 60 }, (_, i) => second + i);
}

function totalOf(journal: readonly LedgerEntry[], account: string): number {
  return journal.reduce((sum, { operation, charge, account: payer }) => {
    return operation === "post" && pathOf(payer).includes(account) ? sum + charge.nanoUsd : sum;
  }, 0);
}

test("a limit that is set anew while an ask for it waits is leased as if nobody had asked", () => {
  const limit: LimitRow = { account: "global/b", unit: "output_tokens", window: "total", amount: "400" };
  fc.assert(
    fc.property(fc.integer({ min: 201, max: 400 }), fc.integer({ min: 400, max: 1_000 }), (held, amount) => {
      const world = new Replicas([limit], { nowUs: START_US });
      const [rich, poor] = [world.start(0), world.start(0)];
      assert.equal(world.reserveAtLast(rich, "global/b/m", chargeOf(held)), "held");
      assert.equal(world.reserve(poor, "global/b/m", chargeOf(200)), "asked");
      // It waits for what the other one does not use, and is told of a new limit meanwhile.
      world.read(poor);
      world.setLimits([{ ...limit, amount: `${amount}` }]);
      world.hear(poor);
      world.settle();
      world.close(rich, 0, "void");
      assert.equal(world.reserveAtLast(poor, "global/b/m", chargeOf(amount)), "held");
    }),
  );
});

test("what a rolling window has left behind is nobody's when its hold is freed: others may have it already", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000 }),
      fc.integer({ min: 62, max: 500 }),
      (amount, laterSeconds) => {
        const unit = { unit: "output_tokens", window: "rolling:60", amount: `${amount}` } as const;
        const world = new Replicas([{ account: "global/b", ...unit }], { nowUs: START_US });
        const [one, other] = [world.start(0), world.start(0)];
        assert.equal(world.reserveAtLast(one, "global/b/m", chargeOf(amount)), "held");
        world.settle();
        world.nowUs += seconds(laterSeconds);
        assert.equal(world.reserveAtLast(other, "global/b/m", chargeOf(amount)), "held");
        world.settle();
        world.close(one, 0, "void");
        assert.notEqual(world.reserveAtLast(one, "global/b/m", chargeOf(1)), "held");
      },
    ),
  );
});
