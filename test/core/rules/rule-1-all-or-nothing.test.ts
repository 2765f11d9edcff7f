/** Rule 1: what is held is held in every account from the root to the leaf, or in none; nobody gets what another has. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Charge } from "../../../src/core/budget/charge.ts";
import { mostFor } from "./book.ts";
import { scenes } from "./drawing.ts";
import { type Play, playScene } from "./play.ts";

const HOLDING = { reserve: 10, extend: 6 };

test("a reserve or extend succeeds exactly where every limit on the path has room", () => {
  fc.assert(
    fc.property(scenes({ weights: HOLDING }), (scene) => {
      playScene(scene, (play, operation) => {
        if (operation.kind !== "reserve" && operation.kind !== "extend") return;
        const short = play.book.shortOf(operation, play.clockUs);
        assert.equal(play.budget.fits(operation, play.nowUs), short.length === 0);
        return (result) => {
          assert(result !== null);
          if ("sequence" in result) return assert.deepEqual(short, [], "every limit has room");
          const { account, limit, needed, remaining } = result;
          const named = short.find((row) => {
            return row.account === account && row.unit === limit.unit && row.window === limit.window;
          });
          assert(named !== undefined, "the limit that is named has no room");
          const used = play.book.usedUnder(named, play.clockUs);
          assert.equal(remaining, mostFor(named, operation.priority) - used);
          assert(needed > remaining);
        };
      });
    }),
  );
});

test("what is held counts in every account on its path, and what is refused in none", () => {
  fc.assert(
    fc.property(scenes({ weights: HOLDING }), (scene) => {
      playScene(scene, (play, operation) => {
        if (operation.kind !== "reserve" && operation.kind !== "extend") return;
        const before = balancesOf(play);
        const { openHolds } = play.budget;
        return (result) => {
          if (result !== null && "sequence" in result) return checkHeld(play);
          assert.deepEqual(balancesOf(play), before);
          assert.equal(play.budget.openHolds, openHolds);
        };
      });
    }),
  );
});

test("of two that do not fit together one is refused, wherever below the limit they are", () => {
  fc.assert(
    fc.property(scenes({ weights: { reserve: 20, extend: 0 } }), (scene) => {
      playScene(scene, (play, operation) => {
        if (operation.kind !== "reserve") return;
        return (result) => {
          if (result === null || "limit" in result) return;
          // A second one that takes a unit more than there is left anywhere on the path.
          for (const row of play.book.limitsOn(operation.account)) {
            if (row.unit !== "usd") continue;
            const left = mostFor(row, operation.priority) - play.book.usedUnder(row, play.clockUs);
            const charge: Charge = { ...operation.charge, nanoUsd: Number(left > 0n ? left : 0n) + 1 };
            for (const account of play.accounts.filter((name) => `${name}/`.startsWith(`${row.account}/`))) {
              assert.equal(play.budget.fits({ ...operation, account, charge }, play.nowUs), false);
            }
          }
        };
      });
    }),
  );
});

function checkHeld(play: Play): void {
  for (const account of play.accounts) {
    for (const { account: name, limit, held } of play.remainders(account)) {
      assert.equal(held, play.book.heldUnder({ account: name, ...limit }, play.clockUs));
    }
  }
}

function balancesOf(play: Play): unknown {
  return play.accounts.map((account) => play.remainders(account));
}
