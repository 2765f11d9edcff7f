import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Timer, Timers } from "../../src/core/timers.ts";

type Step = { set: number } | { cancel: number } | { advance: number };

test("timers fire by time, then by order of setting, and never after being cancelled", () => {
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ set: fc.nat(50) }),
    fc.record({ cancel: fc.nat(20) }),
    fc.record({ advance: fc.nat(30) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const timers = new Timers<number>();
      let model: Timer<number>[] = [];
      let nowUs = 0;
      let label = 0;
      for (const each of steps) {
        if ("set" in each) model.push(timers.set(nowUs + each.set, label++));
        if ("cancel" in each && model.length > 0) {
          const [gone] = model.splice(each.cancel % model.length, 1);
          timers.cancel(gone!);
        }
        if ("advance" in each) {
          nowUs += each.advance;
          const due = model.filter(({ atUs }) => atUs <= nowUs);
          due.sort((a, b) => a.atUs - b.atUs || a.sequence - b.sequence);
          const fired: number[] = [];
          for (let next = timers.takeDue(nowUs); next !== null; next = timers.takeDue(nowUs)) {
            fired.push(next.action);
          }
          assert.deepEqual(
            fired,
            due.map(({ action }) => action),
          );
          model = model.filter(({ atUs }) => atUs > nowUs);
        }
        assert.equal(timers.size, model.length);
        const earliest = Math.min(...model.map(({ atUs }) => atUs));
        assert.equal(timers.nextUs, model.length === 0 ? null : earliest);
      }
    }),
  );
});

test("cancelling a timer that has fired changes nothing", () => {
  const timers = new Timers<string>();
  const first = timers.set(1, "first");
  timers.set(2, "second");
  assert.equal(timers.takeDue(1)?.action, "first");
  timers.cancel(first);
  assert.equal(timers.size, 1);
});
