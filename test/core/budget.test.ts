import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { InvariantViolation } from "../../src/core/assert.ts";
import { Budget, type Hold } from "../../src/core/budget/budget.ts";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import type { Charge } from "../../src/core/vocabulary.ts";

const ACCOUNTS = ["global", "global/a", "global/b", "global/a/x", "global/a/y"];
const NOTHING: Charge = { inputTokens: 0, outputTokens: 0, requests: 0 };

const charge: fc.Arbitrary<Charge> = fc.record({
  inputTokens: fc.nat(1_000),
  outputTokens: fc.nat(1_000),
  requests: fc.nat(1),
});

type Step =
  | { kind: "reserve"; account: string; charge: Charge }
  | { kind: "post"; pick: number; charge: Charge }
  | { kind: "void"; pick: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("reserve" as const), account: fc.constantFrom(...ACCOUNTS), charge }),
  fc.record({ kind: fc.constant("post" as const), pick: fc.nat(20), charge }),
  fc.record({ kind: fc.constant("void" as const), pick: fc.nat(20) }),
);

test("balances are what the ledger says: held is the open holds, posted the charges, parents their children", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: "max" }), (steps) => {
      const budget = new Budget();
      const ledger: LedgerEntry[] = [];
      const open: Hold[] = [];
      for (const each of steps) {
        if (each.kind === "reserve") {
          const { account } = each;
          const { hold, entry } = budget.reserve({
            id: `h${ledger.length}`,
            account,
            worstCase: each.charge,
          });
          open.push(hold);
          ledger.push(entry);
          assert.equal(hold.sequence, entry.sequence);
        } else if (open.length > 0) {
          const [hold] = open.splice(each.pick % open.length, 1);
          ledger.push(each.kind === "post" ? budget.post(hold!, each.charge) : budget.void(hold!));
        }
        assertBalanced(budget, ledger);
        assert.equal(budget.openHolds, open.length);
      }
    }),
  );
});

/** Plays the ledger from its beginning, as after a restart, and compares. */
function assertBalanced(budget: Budget, ledger: readonly LedgerEntry[]): void {
  assert.deepEqual(
    ledger.map(({ sequence }) => sequence),
    ledger.map((_, index) => index + 1),
  );
  for (const account of ACCOUNTS) {
    const holds = new Map<string, Charge>();
    let posted = NOTHING;
    for (const entry of ledger.filter((line) => `${line.account}/`.startsWith(`${account}/`))) {
      if (entry.operation === "reserve") holds.set(entry.hold, entry.charge);
      else assert(holds.delete(entry.hold));
      if (entry.operation === "post") posted = plus(posted, entry.charge);
    }
    const held = [...holds.values()].reduce(plus, NOTHING);
    assert.deepEqual(budget.balance(account), { held, posted }, account);
  }
}

function plus(a: Charge, b: Charge): Charge {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    requests: a.requests + b.requests,
  };
}

test("a post charges all that was used, and records exactly what exceeds the hold", () => {
  fc.assert(
    fc.property(charge, charge, (worstCase, used) => {
      const budget = new Budget();
      const { hold } = budget.reserve({ id: "h", account: "global/a", worstCase });
      const { charge: charged, overage } = budget.post(hold, used);
      assert.deepEqual(charged, used);
      const excess = {
        inputTokens: Math.max(0, used.inputTokens - worstCase.inputTokens),
        outputTokens: Math.max(0, used.outputTokens - worstCase.outputTokens),
        requests: Math.max(0, used.requests - worstCase.requests),
      };
      const isCovered = excess.inputTokens + excess.outputTokens + excess.requests === 0;
      assert.deepEqual(overage, isCovered ? null : excess);
    }),
  );
});

test("a hold is taken once and closed once", () => {
  const budget = new Budget();
  const options = { id: "h", account: "global/a", worstCase: { ...NOTHING, outputTokens: 5 } };
  const { hold } = budget.reserve(options);
  assert.throws(() => budget.reserve(options), InvariantViolation);
  budget.post(hold, NOTHING);
  assert.throws(() => budget.post(hold, NOTHING), InvariantViolation);
  assert.throws(() => budget.void(hold), InvariantViolation);
  assert.deepEqual(budget.balance("global/a").held, NOTHING);
});
