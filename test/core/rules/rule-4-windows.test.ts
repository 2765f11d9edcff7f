/** Rule 4: everything counts in the window of the instant at which it was held, by a clock that never goes back. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Calendar } from "../../../src/core/budget/calendar.ts";
import { type Micros, seconds } from "../../../src/core/units.ts";
import { scenes } from "./drawing.ts";
import { playScene } from "./play.ts";
import { CLOCK_CHANGES, instanceOf } from "./windows.ts";

const HOUR_US = seconds(3_600);

const waiting = scenes({ weights: { wait: 10, extend: 6, doubt: 2, adjust: 3 } });

test("posts and corrections count where their holds were taken, part by part, whenever they come", () => {
  fc.assert(
    fc.property(waiting, (scene) => {
      const play = playScene(scene, (before) => () => check(before));
      // All that is left is used up in a later window, and counts in the earlier ones.
      while (play.open.length > 0) {
        const { hold, account, charge } = play.open[0]!;
        play.carryOut({ kind: "wait", us: HOUR_US });
        play.carryOut({ kind: "post", hold, account, charge });
        check(play);
      }
    }),
    { numRuns: 150 },
  );
});

test("the ledger's clock never goes back, whatever the machine's does", () => {
  fc.assert(
    fc.property(waiting, (scene) => {
      let latestUs = 0;
      playScene(scene, (play) => (result) => {
        if (result === null || "limit" in result) return;
        assert.equal(result.atUs, play.clockUs);
        assert(result.atUs >= latestUs);
        latestUs = result.atUs;
      });
    }),
  );
});

const instants = fc.record({
  clocks: fc.constantFrom(...CLOCK_CHANGES),
  afterUs: fc.integer({ min: 0, max: 40 * 24 * HOUR_US }),
  unit: fc.constantFrom("day", "week", "month"),
});

test("local days, weeks and months begin at the first instant that clocks show, and follow one another without gaps", () => {
  fc.assert(
    fc.property(instants, fc.boolean(), ({ clocks, afterUs, unit }, isNearChange) => {
      const calendar = new Calendar([clocks.rules]);
      const window = `${unit}@${clocks.rules.zone}`;
      const atUs = clocks.startUs + (isNearChange ? afterUs % (48 * HOUR_US) : afterUs);
      const { startUs, endUs } = calendar.span(window, atUs);
      const name = instanceOf(window, atUs);
      assert(startUs <= atUs && atUs < endUs);
      assert.equal(instanceOf(window, startUs), name, "its first instant");
      assert.notEqual(instanceOf(window, startUs - 1), name, "the one before");
      assert.equal(instanceOf(window, endUs - 1), name, "its last instant");
      assert.notEqual(instanceOf(window, endUs), name, "the one after");
      if (unit === "day") assert([23, 24, 25].includes((endUs - startUs) / HOUR_US));
      assert.equal(calendar.span(window, endUs).startUs, endUs);
    }),
    { numRuns: 400 },
  );
});

test("hours and minutes are elapsed time, also where clocks are changed", () => {
  fc.assert(
    fc.property(instants, ({ clocks, afterUs }) => {
      const calendar = new Calendar([clocks.rules]);
      for (const [window, lengthUs] of [
        ["hour", HOUR_US],
        ["minute", seconds(60)],
      ] as const) {
        const { startUs, endUs } = calendar.span(window, clocks.startUs + afterUs);
        assert.equal(startUs % lengthUs, 0);
        assert.equal(endUs - startUs, lengthUs);
      }
    }),
  );
});

test("a window that has begun stays as it is when others know the time zone otherwise", () => {
  fc.assert(
    fc.property(instants, fc.integer({ min: -12, max: 12 }), ({ clocks, afterUs, unit }, hours) => {
      const { zone, offsets } = clocks.rules;
      const window = `${unit}@${zone}`;
      const lastUs = offsets.at(-1)!.fromUs;
      const atUs = Math.min(clocks.startUs + afterUs, lastUs - 1);
      const fresh = (): Calendar => new Calendar([clocks.rules]);
      const known = fresh().span(window, atUs);
      const other: Micros = hours * HOUR_US;
      const told = fresh();
      told.learn([{ zone, offsets: offsets.map(({ fromUs }) => ({ fromUs, aheadUs: other })) }]);
      assert.deepEqual(told.span(window, atUs), known);
    }),
  );
});

function check(play: ReturnType<typeof playScene>): void {
  for (const account of play.accounts) {
    for (const { account: name, limit, posted, held } of play.remainders(account)) {
      const row = { account: name, ...limit };
      assert.equal(posted, play.book.postedUnder(row, play.clockUs), `posted under ${limit.window}`);
      assert.equal(held, play.book.heldUnder(row, play.clockUs), `held under ${limit.window}`);
    }
  }
}
