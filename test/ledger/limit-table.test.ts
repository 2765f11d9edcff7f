import assert from "node:assert/strict";
import { test } from "node:test";
import type { LimitRow, Threshold } from "../../src/core/budget/limits.ts";
import { openDatabase } from "../../src/ledger/database.ts";
import { InvalidLimitError, type LimitProblem } from "../../src/ledger/limit-check.ts";
import { readLimits, writeLimit } from "../../src/ledger/limit-table.ts";

const LIMIT: LimitRow = {
  account: "global/acme",
  unit: "usd",
  window: "month@Europe/Berlin",
  amount: "5000000000",
};
const STOP: Threshold = { percent: 100, action: "stop", priority: null };
const HOLD: Threshold = { percent: 90, action: "hold_low_priority", priority: "high" };
const NOTIFY: Threshold = { percent: 1_000, action: "notify", priority: null };

test("a limit comes back with its thresholds, and every change of them is kept, with who made it", () => {
  using database = openDatabase(":memory:");
  writeLimit(database, LIMIT, { by: "carol" });
  writeLimit(database, { ...LIMIT, thresholds: [NOTIFY, HOLD, STOP] }, { by: "dave" });
  assert.deepEqual(readLimits(database, { after: 1 }), {
    limits: [{ ...LIMIT, thresholds: [NOTIFY, HOLD, STOP] }],
    version: 2,
  });
  assert.ok(writeLimit(database, { ...LIMIT, amount: null }, { by: "erin" }));
  assert.ok(!writeLimit(database, { ...LIMIT, amount: null }, { by: "erin" }));
  assert.deepEqual(readLimits(database, { after: 0 }), { limits: [{ ...LIMIT, amount: null }], version: 3 });
  const changes = database
    .prepare("SELECT changed_by, thresholds_before, thresholds_after FROM limit_changes ORDER BY version")
    .all();
  assert.deepEqual(
    changes.map((row) => [
      row["changed_by"],
      ...[row["thresholds_before"], row["thresholds_after"]].map(
        (text) => (JSON.parse(text as string) as []).length,
      ),
    ]),
    [
      ["carol", 0, 0],
      ["dave", 0, 3],
      ["erin", 3, 0],
    ],
  );
});

test("however UTC is spelled, a window in it is one window, and it is removed as it was set", () => {
  using database = openDatabase(":memory:");
  const windows = (): string[] =>
    readLimits(database, { after: 0 })
      .limits.filter(({ amount }) => amount !== null)
      .map(({ window }) => window);
  for (const window of ["day", "day@UTC", "day@Etc/UTC", "day@Zulu", "month@UTC", "minute@UTC", "hour@UTC"]) {
    writeLimit(database, { ...LIMIT, window });
  }
  writeLimit(database, { ...LIMIT, window: "day@Europe/London" });
  assert.deepEqual(windows(), ["day", "day@Europe/London", "hour", "minute", "month"]);
  assert.ok(writeLimit(database, { ...LIMIT, window: "day@Etc/UTC", amount: null }));
  assert.deepEqual(windows(), ["day@Europe/London", "hour", "minute", "month"]);
  assert.throws(() => writeLimit(database, { ...LIMIT, window: "day@" }), InvalidLimitError);
});

test("what can't be a limit is refused, with what is wrong with it and what to write instead", () => {
  using database = openDatabase(":memory:");
  const refused: [LimitProblem, RegExp, Partial<LimitRow>][] = [
    ["invalid_unit", /Units are usd, tokens/, { unit: "euro" as "usd" }],
    ["invalid_window", /fortnight is no window.*day@Europe\/Berlin or rolling:3600/, { window: "fortnight" }],
    ["unknown_time_zone", /Mars\/Olympus is no time zone/, { window: "day@Mars/Olympus" }],
    ["invalid_amount", /whole numbers from 0 to 9223372036854775807/, { amount: "9223372036854775808" }],
    ["invalid_amount", /-1 is no amount/, { amount: "-1" }],
    ["invalid_threshold", /from 1 to 100, not at 101/, { thresholds: [{ ...STOP, percent: 101 }] }],
    ["invalid_threshold", /from 1 to 1000, not at 1001/, { thresholds: [{ ...NOTIFY, percent: 1_001 }] }],
    ["invalid_threshold", /not at 0.5/, { thresholds: [{ ...NOTIFY, percent: 0.5 }] }],
    ["invalid_threshold", /names the least urgent/, { thresholds: [{ ...HOLD, priority: null }] }],
    ["invalid_threshold", /names the least urgent/, { thresholds: [{ ...STOP, priority: "high" }] }],
    ["invalid_threshold", /how many tokens/, { thresholds: [{ ...STOP, action: "shorten" }] }],
    ["invalid_threshold", /how many tokens/, { thresholds: [{ ...STOP, maxTokens: 9 }] }],
    ["invalid_threshold", /Actions are notify/, { thresholds: [{ ...STOP, action: "explode" as "stop" }] }],
    ["invalid_threshold", /at most 16/, { thresholds: Array.from({ length: 17 }, () => STOP) }],
  ];
  for (const [code, message, wrong] of refused) {
    assert.throws(
      () => writeLimit(database, { ...LIMIT, ...wrong }),
      (error) => {
        assert.ok(error instanceof InvalidLimitError);
        assert.equal(error.code, code);
        assert.match(error.message, message);
        return true;
      },
    );
  }
  assert.deepEqual(readLimits(database, { after: 0 }), { limits: [], version: 0 });
});
