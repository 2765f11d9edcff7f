import assert from "node:assert/strict";
import { test } from "node:test";
import { type LineVerdict, NO_LINE } from "../../bench/validate/line.ts";
import { exitCodeOf, type GroupReport, renderEnd } from "../../bench/validate/report.ts";

const lineOf = (verdict: LineVerdict) => ({ ...NO_LINE, what: `what ${verdict}`, note: "why", verdict });

function reports(...verdicts: LineVerdict[]): GroupReport[] {
  return [{ name: "group", source: "", command: "", lines: verdicts.map(lineOf) }];
}

test("the exit code tells what is missed from what could not be looked at", () => {
  assert.equal(exitCodeOf(reports("holds", "holds")), 0);
  assert.equal(exitCodeOf(reports("holds", "skipped")), 0);
  assert.equal(exitCodeOf(reports("skipped", "missed", "holds")), 1);
});

test("what does not hold is said again at the end, with the reason", () => {
  const [counts, ...others] = renderEnd(reports("skipped", "holds", "missed")).split("\n");
  assert.equal(counts, "1 hold, 1 missed, 1 skipped");
  assert.match(others[0]!, /^missed +what missed .* why \(group\)$/);
  assert.match(others[1]!, /^skipped +what skipped .* why \(group\)$/);
  assert.equal(others.length, 2);
});
