import assert from "node:assert/strict";
import { test } from "node:test";
import { Calendar, type ZoneRules } from "../../src/core/budget/calendar.ts";
import { openDatabase } from "../../src/ledger/database.ts";
import { InvalidLimitError } from "../../src/ledger/limit-check.ts";
import { writeLimit } from "../../src/ledger/limit-table.ts";
import { keepZone, readZones, rulesOf } from "../../src/ledger/zone-table.ts";
import { isTimeZone, localDate, probeZone } from "../../src/ledger/zones.ts";

const at = (iso: string): number => Date.parse(iso) * 1_000;
const iso = (atUs: number): string => new Date(atUs / 1_000).toISOString().replace(":00.000Z", "Z");
const MINUTE_US = 60_000_000;

function probe(zone: string, from: string, until: string): [string, number][] {
  const { offsets } = probeZone(zone, { fromUs: at(from), untilUs: at(until) });
  return offsets.map(({ fromUs, aheadUs }) => [iso(fromUs), aheadUs / MINUTE_US]);
}

test("clocks are changed to the minute when they are, and the last rule says how far that is known", () => {
  assert.deepEqual(probe("Europe/Berlin", "2024-01-01T00:00Z", "2025-01-01T00:00Z"), [
    ["2024-01-01T00:00Z", 60],
    ["2024-03-31T01:00Z", 120],
    ["2024-10-27T01:00Z", 60],
    ["2025-01-01T00:00Z", 60],
  ]);
  // Half an hour.
  assert.deepEqual(probe("Australia/Lord_Howe", "2024-02-01T00:00Z", "2024-12-01T00:00Z"), [
    ["2024-02-01T00:00Z", 660],
    ["2024-04-06T15:00Z", 630],
    ["2024-10-05T15:30Z", 660],
    ["2024-12-01T00:00Z", 660],
  ]);
  // At midnight, and since 2019 no more.
  assert.deepEqual(probe("America/Sao_Paulo", "2018-10-01T00:00Z", "2024-01-01T00:00Z"), [
    ["2018-10-01T00:00Z", -180],
    ["2018-11-04T03:00Z", -120],
    ["2019-02-17T02:00Z", -180],
    ["2024-01-01T00:00Z", -180],
  ]);
  assert.deepEqual(probe("Asia/Kolkata", "2020-01-01T00:00Z", "2024-01-01T00:00Z"), [
    ["2020-01-01T00:00Z", 330],
    ["2024-01-01T00:00Z", 330],
  ]);
});

test("days of every time zone begin when its clocks say so", () => {
  for (const zone of Intl.supportedValuesOf("timeZone")) {
    const rules = probeZone(zone, { fromUs: at("2024-01-01T00:00Z"), untilUs: at("2025-01-01T00:00Z") });
    const calendar = new Calendar([rules]);
    const clock = new Intl.DateTimeFormat("en-CA", { timeZone: zone });
    for (let atUs = at("2024-01-03T00:00Z"); atUs < at("2024-12-28T00:00Z"); atUs += 7 * 86_400e6) {
      const { startUs, endUs } = calendar.span(`day@${zone}`, atUs);
      const date = localDate(rules, startUs);
      assert.equal(clock.format(startUs / 1_000), date, zone);
      assert.equal(clock.format(endUs / 1_000 - 1), date, zone);
      assert.notEqual(clock.format(startUs / 1_000 - 1), date, zone);
    }
  }
});

test("what the ledger knows of a time zone stays, and is made to last when little of it is left", () => {
  using database = openDatabase(":memory:");
  const rules = (): ZoneRules => readZones(database, ["Europe/Berlin"])[0]!;
  keepZone(database, "Europe/Berlin", at("2026-06-01T00:00Z"));
  const first = rules();
  assert.equal(first.offsets[0]?.fromUs, at("2020-01-01T00:00Z"));
  assert.ok(first.offsets.at(-1)!.fromUs > at("2031-01-01T00:00Z"));
  keepZone(database, "Europe/Berlin", at("2029-01-01T00:00Z"));
  assert.deepEqual(rules(), first);
  // As somebody else had been told, who had summer last for ever.
  database.exec("UPDATE zones SET ahead_us = 7200000000 WHERE from_us > 1750000000000000");
  const changed = rules();
  keepZone(database, "Europe/Berlin", at("2030-01-01T00:00Z"));
  const later = rules();
  assert.deepEqual(later.offsets.slice(0, changed.offsets.length), changed.offsets);
  assert.ok(later.offsets.at(-1)!.fromUs > at("2034-12-01T00:00Z"));
  const calendar = new Calendar([later]);
  assert.equal(iso(calendar.span("day@Europe/Berlin", at("2028-01-15T12:00Z")).startUs), "2028-01-14T22:00Z");
  assert.equal(iso(calendar.span("day@Europe/Berlin", at("2034-01-15T12:00Z")).startUs), "2034-01-14T23:00Z");
});

test("a time zone that this machine does not know stays as another knew it", () => {
  using database = openDatabase(":memory:");
  database.exec("INSERT INTO zones VALUES ('Europe/Atlantis', 1577836800000000, 3600000000)");
  keepZone(database, "Europe/Atlantis", at("2026-06-01T00:00Z"));
  const offsets = [{ fromUs: at("2020-01-01T00:00Z"), aheadUs: 60 * MINUTE_US }];
  assert.deepEqual(rulesOf(database, "Europe/Atlantis", 0), { zone: "Europe/Atlantis", offsets });
});

test("a time zone that nobody knows is told from one, and how they are written is said", () => {
  for (const zone of ["UTC", "Europe/Berlin", "Asia/Kolkata", "US/Eastern"])
    assert.ok(isTimeZone(zone), zone);
  for (const zone of ["Berlin", "Europe/Atlantis", "europe/berlin"]) assert.ok(!isTimeZone(zone), zone);
  using database = openDatabase(":memory:");
  const limit = { account: "global", unit: "usd", window: "day@Europe/Atlantis", amount: "1" } as const;
  assert.throws(
    () => writeLimit(database, limit),
    (error) => error instanceof InvalidLimitError && error.code === "unknown_time_zone",
  );
  assert.throws(
    () => writeLimit(database, limit),
    /Europe\/Atlantis is no time zone.*such as Europe\/Berlin/,
  );
  assert.throws(() => rulesOf(database, "Europe/Atlantis", 0), /is no time zone/);
  assert.deepEqual(readZones(database), []);
  writeLimit(database, { ...limit, window: "month@Europe/Berlin" });
  assert.deepEqual(
    readZones(database).map(({ zone }) => zone),
    ["Europe/Berlin"],
  );
});
