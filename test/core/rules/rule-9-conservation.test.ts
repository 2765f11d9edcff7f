/** Rule 9: what is used is what was posted and what is held; nothing appears, nothing is lost, and it can be added up again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Accounts, EMPTY_LEDGER } from "../../../src/core/budget/accounts.ts";
import { Budget } from "../../../src/core/budget/budget.ts";
import type { Remainder } from "../../../src/core/budget/shortage.ts";
import { LIMIT_UNITS, type LimitRow } from "../../../src/core/budget/limits.ts";
import { amountIn, mostFor } from "./book.ts";
import { scenes } from "./drawing.ts";
import { type Play, playScene } from "./play.ts";

/** Far more than is ever used: a limit that only counts. */
const PLENTY = String(10n ** 30n);

test("for each limit and window, what is used is the sum of what was posted and what is held, after every step", () => {
  fc.assert(
    fc.property(scenes(), (scene) => {
      playScene(scene, (play) => () => {
        for (const remainder of everyRemainder(play)) {
          const row = { account: remainder.account, ...remainder.limit };
          const used = play.book.usedUnder(row, play.clockUs);
          assert.equal(remainder.posted + remainder.held, used);
          assert.equal(remainder.remaining, remainder.limit.amount - used);
        }
      });
    }),
    { numRuns: 150 },
  );
});

test("nothing raises what is used but a reserve or extend within the limit, and an overage by what is recorded", () => {
  fc.assert(
    fc.property(scenes({ windows: ["total", "day"] }), (scene) => {
      playScene(scene, (play, operation) => {
        if (operation.kind === "wait" || operation.kind === "limit") return;
        const before = new Map(everyRemainder(play).map((each) => [nameOf(each), each.posted + each.held]));
        return (result) => {
          const entry = result !== null && "sequence" in result ? result : null;
          for (const remainder of everyRemainder(play)) {
            const { account, limit, posted, held } = remainder;
            const raised = posted + held - before.get(nameOf(remainder))!;
            const isOnPath: boolean = `${operation.account}/`.startsWith(`${account}/`);
            if (operation.kind === "reserve" || operation.kind === "extend") {
              const isTaken: boolean = entry !== null && isOnPath;
              assert.equal(raised, isTaken ? amountIn(limit.unit, operation.charge) : 0n);
              const row = { account, ...limit, amount: `${limit.amount}`, thresholds: [...limit.thresholds] };
              if (raised > 0n) assert(posted + held <= mostFor(row, operation.priority));
            } else {
              const overage = entry?.overage ?? null;
              assert(raised <= (overage === null ? 0n : amountIn(limit.unit, overage)));
            }
          }
        };
      });
    }),
    { numRuns: 150 },
  );
});

test("over all time, what is posted on an account is its own and that of those below it", () => {
  fc.assert(
    fc.property(scenes(), (scene) => {
      const play = playScene(scene, () => undefined);
      const posted = postedByAccount(play.budget, play.accounts);
      for (const account of play.accounts) {
        for (const unit of LIMIT_UNITS) {
          const below = play.accounts.filter((name) => parentOf(name) === account);
          const children = below.reduce((sum, name) => sum + posted.get(`${name} ${unit}`)!, 0n);
          const own = play.book.postedBy(account, unit);
          assert.equal(posted.get(`${account} ${unit}`), own + children, `${account} in ${unit}`);
        }
      }
    }),
  );
});

test("the entries alone, read again from the first, give the same balances and holds", () => {
  fc.assert(
    fc.property(scenes(), fc.nat(40), (scene, cut) => {
      const play = playScene(scene, () => undefined);
      const read = new Accounts({ ...EMPTY_LEDGER, zones: [scene.clocks.rules], tracked: play.tracked });
      for (const entry of play.entries.slice(0, cut)) read.apply(entry);
      const after = new Accounts(read.state);
      for (const entry of play.entries.slice(cut)) after.apply(entry);
      const restored = new Budget(after.state);
      const limits = [...play.book.limits.values()];
      restored.setLimits(limits, { zones: [], used: [], through: play.entries.length });
      for (const account of play.accounts) {
        assert.deepEqual(
          sorted(restored.remainders(account, play.clockUs)),
          sorted(play.remainders(account)),
        );
      }
      assert.deepEqual([...restored.holds], [...play.budget.holds]);
    }),
  );
});

function everyRemainder(play: Play): Remainder[] {
  return play.accounts.flatMap((account) => {
    return play.remainders(account).filter((each) => each.account === account);
  });
}

/** By account and unit, in total: the budget is asked, not the book. */
function postedByAccount(budget: Budget, accounts: readonly string[]): Map<string, bigint> {
  const posted = new Map<string, bigint>();
  const limits = accounts.flatMap((account) => {
    return LIMIT_UNITS.map((unit): LimitRow => ({ account, unit, window: "total", amount: PLENTY }));
  });
  budget.setLimits(limits, { zones: [], used: [], through: 0 });
  for (const account of accounts) {
    for (const each of budget.remainders(account, 0)) {
      if (each.limit.window === "total") posted.set(`${each.account} ${each.limit.unit}`, each.posted);
    }
  }
  return posted;
}

function sorted(remainders: readonly Remainder[]): Remainder[] {
  return remainders.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}

function nameOf({ account, limit }: Remainder): string {
  return `${account} ${limit.unit} ${limit.window}`;
}

function parentOf(account: string): string {
  return account.slice(0, Math.max(0, account.lastIndexOf("/")));
}
