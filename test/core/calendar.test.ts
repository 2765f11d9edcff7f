import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Calendar, type ZoneRules } from "../../src/core/budget/calendar.ts";
import { describeWindow, parseWindow, zoneOf } from "../../src/core/budget/windows.ts";
import { MICROS_PER_MILLI, type Micros, seconds } from "../../src/core/units.ts";

const at = (iso: string): Micros => Date.parse(iso) * MICROS_PER_MILLI;
const iso = (atUs: Micros): string => new Date(atUs / MICROS_PER_MILLI).toISOString().replace(".000Z", "Z");

/** As people there had it in 2026. */
const BERLIN: ZoneRules = {
  zone: "Europe/Berlin",
  offsets: [
    { fromUs: at("2025-10-26T01:00:00Z"), aheadUs: seconds(3_600) },
    { fromUs: at("2026-03-29T01:00:00Z"), aheadUs: seconds(7_200) },
    { fromUs: at("2026-10-25T01:00:00Z"), aheadUs: seconds(3_600) },
    { fromUs: at("2027-03-28T01:00:00Z"), aheadUs: seconds(7_200) },
  ],
};

/** Clocks went forward at midnight, so that day began at one; and back at midnight, so that an hour of the day before came twice. */
const SAO_PAULO: ZoneRules = {
  zone: "America/Sao_Paulo",
  offsets: [
    { fromUs: at("2018-02-18T02:00:00Z"), aheadUs: seconds(-10_800) },
    { fromUs: at("2018-11-04T03:00:00Z"), aheadUs: seconds(-7_200) },
    { fromUs: at("2019-02-17T02:00:00Z"), aheadUs: seconds(-10_800) },
  ],
};

describe("windows", () => {
  test("are written in one way, and nothing else is a window", () => {
    for (const text of [
      "total",
      "minute",
      "hour",
      "day",
      "week",
      "month",
      "day@Europe/Berlin",
      "rolling:3600",
    ]) {
      assert.notEqual(parseWindow(text), null, text);
    }
    for (const text of [
      "",
      "year",
      "days",
      "hour@Europe/Berlin",
      "rolling:0",
      "rolling:-1",
      "rolling:1e3",
      "rolling:99999999",
      "day@",
      "day@a b",
      "total@UTC",
    ]) {
      assert.equal(parseWindow(text), null, text);
    }
    assert.equal(zoneOf("month@Asia/Kolkata"), "Asia/Kolkata");
    assert.equal(zoneOf("month"), null);
    assert.equal(describeWindow("month@Asia/Kolkata"), "a month in Asia/Kolkata");
    assert.equal(describeWindow("hour"), "an hour");
  });
});

describe("calendar", () => {
  const calendar = new Calendar([BERLIN, SAO_PAULO]);
  const spanOf = (window: string, instant: string): string => {
    const { startUs, endUs } = calendar.span(window, at(instant));
    return `${iso(startUs)} ${iso(endUs)}`;
  };

  for (const [window, instant, expected] of [
    ["minute", "2026-03-01T10:20:30Z", "2026-03-01T10:20:00Z 2026-03-01T10:21:00Z"],
    ["hour", "2026-03-01T10:20:30Z", "2026-03-01T10:00:00Z 2026-03-01T11:00:00Z"],
    ["day", "2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z 2026-03-02T00:00:00Z"],
    ["week", "2026-03-01T10:20:30Z", "2026-02-23T00:00:00Z 2026-03-02T00:00:00Z"],
    ["month", "2028-02-29T10:20:30Z", "2028-02-01T00:00:00Z 2028-03-01T00:00:00Z"],
    ["month", "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z 2027-01-01T00:00:00Z"],
    // A day of 23 hours, one of 25, and the months around them.
    ["day@Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z 2026-03-29T22:00:00Z"],
    ["day@Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z 2026-10-25T23:00:00Z"],
    ["month@Europe/Berlin", "2026-03-31T21:59:59Z", "2026-02-28T23:00:00Z 2026-03-31T22:00:00Z"],
    ["month@Europe/Berlin", "2026-03-31T22:00:00Z", "2026-03-31T22:00:00Z 2026-04-30T22:00:00Z"],
    ["week@Europe/Berlin", "2026-10-25T22:59:59Z", "2026-10-18T22:00:00Z 2026-10-25T23:00:00Z"],
    // Its midnight did not exist: the day began an hour later by the clock, at the same instant.
    ["day@America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-04T03:00:00Z 2018-11-05T02:00:00Z"],
    ["day@America/Sao_Paulo", "2018-11-04T02:59:59Z", "2018-11-03T03:00:00Z 2018-11-04T03:00:00Z"],
    // The last hour of a day came twice, and belongs to it both times.
    ["day@America/Sao_Paulo", "2019-02-17T01:30:00Z", "2019-02-16T02:00:00Z 2019-02-17T03:00:00Z"],
    ["day@America/Sao_Paulo", "2019-02-17T02:30:00Z", "2019-02-16T02:00:00Z 2019-02-17T03:00:00Z"],
  ] as const) {
    test(`${window} at ${instant}`, () => assert.equal(spanOf(window, instant), expected));
  }

  test("leaves no gap: where one instance ends the next begins, and every instant is in one", () => {
    const windows = [
      "minute",
      "hour",
      "day",
      "week",
      "month",
      "rolling:100",
      "day@Europe/Berlin",
      "week@Europe/Berlin",
      "month@America/Sao_Paulo",
      "day@America/Sao_Paulo",
    ];
    const instant = fc.integer({
      min: Date.parse("2017-01-01") / 1_000,
      max: Date.parse("2035-01-01") / 1_000,
    });
    fc.assert(
      fc.property(fc.constantFrom(...windows), instant, (window, second) => {
        const atUs = seconds(second);
        const { startUs, endUs } = calendar.span(window, atUs);
        assert(startUs <= atUs && atUs < endUs);
        assert.equal(calendar.span(window, endUs).startUs, endUs);
        assert.equal(calendar.span(window, startUs - 1).endUs, startUs);
        assert.deepEqual(calendar.span(window, endUs - 1), { startUs, endUs });
      }),
      { numRuns: 2_000 },
    );
  });

  test("UTC months and weeks are those of Date", () => {
    const instant = fc.integer({ min: 0, max: Date.parse("2255-01-01") });
    fc.assert(
      fc.property(instant, (ms) => {
        const date = new Date(ms);
        const month = Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1);
        assert.equal(calendar.span("month", ms * MICROS_PER_MILLI).startUs, month * MICROS_PER_MILLI);
        const { startUs } = calendar.span("week", ms * MICROS_PER_MILLI);
        assert.equal(new Date(startUs / MICROS_PER_MILLI).getUTCDay(), 1);
      }),
    );
  });

  test("rules that are known do not change, and later ones are added", () => {
    const known = new Calendar([BERLIN]);
    const before = known.span("month@Europe/Berlin", at("2027-06-15T00:00:00Z"));
    const changed = [
      { fromUs: at("2026-03-29T01:00:00Z"), aheadUs: 0 },
      { fromUs: at("2027-10-31T01:00:00Z"), aheadUs: seconds(3_600) },
    ];
    known.learn([{ zone: BERLIN.zone, offsets: changed }]);
    assert.deepEqual(known.span("month@Europe/Berlin", at("2027-06-15T00:00:00Z")), before);
    assert.equal(
      iso(known.span("day@Europe/Berlin", at("2026-06-15T12:00:00Z")).startUs),
      "2026-06-14T22:00:00Z",
    );
    assert.equal(
      iso(known.span("day@Europe/Berlin", at("2027-12-15T12:00:00Z")).startUs),
      "2027-12-14T23:00:00Z",
    );
  });

  test("a rolling window counts for as long as it says, and at most a 60th or a second longer", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100_000 }),
        fc.integer({ min: 10 ** 9, max: 10 ** 9 + 10 ** 6 }),
        (length, second) => {
          const window = `rolling:${length}`;
          const usedUs = seconds(second);
          const { startUs } = calendar.span(window, usedUs);
          const counts = (nowUs: Micros): boolean => calendar.countsFrom(window, nowUs) <= startUs;
          assert(
            counts(usedUs) && counts(usedUs + seconds(length) - 1),
            "it counts as long as the window says",
          );
          const marginUs = 2 * seconds(Math.ceil(length / 60));
          assert(!counts(usedUs + seconds(length) + marginUs), "it does not count for ever");
        },
      ),
    );
  });
});
