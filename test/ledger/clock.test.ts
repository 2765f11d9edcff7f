import assert from "node:assert/strict";
import { test } from "node:test";
import { describeClockAhead } from "../../src/ledger/clock.ts";

const at = (text: string): number => Date.parse(text) * 1_000;

test("a ledger whose clock is ahead of the machine's by more than five minutes is worth a warning", () => {
  const machineUs = at("2026-03-01T12:00:00Z");
  assert.equal(describeClockAhead(0, machineUs), null);
  assert.equal(describeClockAhead(at("2026-03-01T12:05:00Z"), machineUs), null);
  assert.match(
    describeClockAhead(at("2026-07-09T08:00:00Z"), machineUs)!,
    /last entry is of 2026-07-09T08:00:00.*machine's clock says 2026-03-01T12:00:00.*counts in the hours, days and months of that instant/,
  );
});
