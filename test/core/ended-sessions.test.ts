import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EndedSessions } from "../../src/core/fleet/ended-sessions.ts";
import { type Micros, seconds } from "../../src/core/units.ts";

const OLDEST_US = seconds(5);

test("what has ended since a report was taken is counted, and nothing from long before", () => {
  const step = fc.record({
    gapUs: fc.integer({ min: 1, max: seconds(2) }),
    ended: fc.nat(3),
    ageUs: fc.integer({ min: -OLDEST_US, max: OLDEST_US }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50, size: "max" }), (steps) => {
      const sessions = new EndedSessions();
      const endings: { atUs: Micros; count: number }[] = [];
      const since = (fromUs: Micros): number =>
        endings.reduce((sum, { atUs, count }) => (atUs > fromUs ? sum + count : sum), 0);
      const heard: Micros[] = [];
      let nowUs = 0;
      let takenUs = -Infinity;
      for (const { gapUs, ended, ageUs } of steps) {
        nowUs += gapUs;
        sessions.add(ended);
        endings.push({ atUs: nowUs, count: ended });
        nowUs += 1;
        // A worker's reports come in the order in which they were taken.
        takenUs = Math.max(takenUs, Math.min(nowUs, nowUs - ageUs));
        const counted = sessions.heard(nowUs, nowUs - takenUs);
        assert.ok(counted >= since(takenUs), "nothing is left out");
        // From the last that was heard before it was taken, and that as exactly as a sixteenth of an age.
        const before = heard.findLast((atUs) => atUs <= takenUs) ?? -Infinity;
        assert.ok(counted <= since(before - OLDEST_US / 16), "nothing of long before is counted");
        heard.push(nowUs);
      }
    }),
  );
});

test("of reports that are always as old, each counts what has ended in that time", () => {
  const sessions = new EndedSessions();
  const everyUs = seconds(0.01);
  for (let i = 0; i < 1_000; i++) {
    sessions.add(1);
    const counted = sessions.heard(i * everyUs, seconds(0.1));
    if (i > 20) assert.ok(counted >= 10 && counted <= 12, `${counted}`);
  }
});
