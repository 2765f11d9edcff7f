import { assert } from "../assert.ts";
import { type Micros, seconds } from "../units.ts";
import { type CalendarUnit, type LimitWindow, parseWindow, UTC, type WindowSpec } from "./windows.ts";

/** One time zone, as far as it is known: from each instant on, local time is so much ahead of UTC. In order of time. */
export interface ZoneRules {
  zone: string;
  offsets: { fromUs: Micros; aheadUs: Micros }[];
}

/** From the first instant to the one after the last. */
export interface Span {
  readonly startUs: Micros;
  readonly endUs: Micros;
}

const MINUTE_US = seconds(60);
const HOUR_US = seconds(3_600);
const DAY_US = seconds(86_400);
const DAYS_PER_WEEK = 7;
const DAYS_PER_YEAR = 365.2425;
/** Before each month of a common year. */
const DAYS_BEFORE = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
/** 1 January 1970 was a Thursday, three days after a Monday. */
const MONDAY_OFFSET = 3;

const ALWAYS: Span = { startUs: 0, endUs: Infinity };
const UTC_RULES: ZoneRules = { zone: UTC, offsets: [{ fromUs: 0, aheadUs: 0 }] };

/**
 * Which instance of a window an instant is in: `[startUs, endUs)`, without gaps. A day begins at its first instant that
 * exists, so it has 23 to 25 hours where clocks are changed. What it knows of time zones it was told; the same rules
 * give the same instances on every machine.
 */
export class Calendar {
  readonly #zones = new Map<string, ZoneRules>([[UTC, UTC_RULES]]);
  readonly #specs = new Map<LimitWindow, WindowSpec>();
  /** By window, the one that was asked for last: most questions are about now. */
  readonly #latest = new Map<LimitWindow, Span>();

  constructor(zones: readonly ZoneRules[] = []) {
    this.learn(zones);
  }

  /** Rules that are known already stay as they are: an instance that has begun does not move. */
  learn(zones: readonly ZoneRules[]): void {
    for (const rules of zones) {
      const known = this.#zones.get(rules.zone)?.offsets ?? [];
      const lastUs = known.at(-1)?.fromUs ?? -Infinity;
      const offsets = [...known, ...rules.offsets.filter(({ fromUs }) => fromUs > lastUs)];
      this.#zones.set(rules.zone, { zone: rules.zone, offsets });
    }
  }

  /** For a rolling window, its bucket. */
  span(window: LimitWindow, atUs: Micros): Span {
    const latest = this.#latest.get(window);
    if (latest !== undefined && latest.startUs <= atUs && atUs < latest.endUs) return latest;
    const span = this.#spanOf(this.spec(window), atUs);
    this.#latest.set(window, span);
    return span;
  }

  spec(window: LimitWindow): WindowSpec {
    let spec = this.#specs.get(window);
    if (spec === undefined) {
      const parsed = parseWindow(window);
      assert(parsed !== null, `${window} is a window`);
      this.#specs.set(window, (spec = parsed));
    }
    return spec;
  }

  /** Where what counts in the window at that instant begins. */
  countsFrom(window: LimitWindow, atUs: Micros): Micros {
    const spec = this.spec(window);
    const { startUs } = this.span(window, atUs);
    return spec.kind === "rolling" ? startUs - spec.buckets * spec.bucketUs : startUs;
  }

  /** When what was used in the instance that begins then no longer counts. */
  countsUntil(window: LimitWindow, startUs: Micros): Micros {
    const spec = this.spec(window);
    if (spec.kind === "rolling") return startUs + (spec.buckets + 1) * spec.bucketUs;
    return this.span(window, startUs).endUs;
  }

  #spanOf(spec: WindowSpec, atUs: Micros): Span {
    switch (spec.kind) {
      case "total":
        return ALWAYS;
      case "rolling":
        return multipleAround(atUs, spec.bucketUs);
      case "calendar":
        if (spec.unit === "minute") return multipleAround(atUs, MINUTE_US);
        if (spec.unit === "hour") return multipleAround(atUs, HOUR_US);
        return this.#localSpan(spec.unit, spec.zone, atUs);
    }
  }

  #localSpan(unit: Exclude<CalendarUnit, "minute" | "hour">, zone: string, atUs: Micros): Span {
    const rules = this.#zones.get(zone);
    assert(rules !== undefined, `the time zone ${zone} is known`);
    let day = firstDay(unit, Math.floor((atUs + aheadAt(rules, atUs)) / DAY_US));
    // Where clocks go back over midnight, the local date of an instant may be that of the day before its own.
    while (instantOf(rules, day) > atUs) day = firstDay(unit, day - 1);
    while (instantOf(rules, nextFirstDay(unit, day)) <= atUs) day = nextFirstDay(unit, day);
    return { startUs: instantOf(rules, day), endUs: instantOf(rules, nextFirstDay(unit, day)) };
  }
}

function multipleAround(atUs: Micros, lengthUs: Micros): Span {
  const startUs = atUs - (atUs % lengthUs);
  return { startUs, endUs: startUs + lengthUs };
}

function aheadAt({ offsets }: ZoneRules, atUs: Micros): Micros {
  const rule = offsets.findLast(({ fromUs }) => fromUs <= atUs) ?? offsets[0];
  assert(rule !== undefined, "a time zone has rules");
  return rule.aheadUs;
}

/** The first instant at which local clocks show that day, counted from 1 January 1970, or a later one. */
function instantOf({ offsets }: ZoneRules, day: number): Micros {
  for (const [i, { fromUs, aheadUs }] of offsets.entries()) {
    const untilUs = offsets[i + 1]?.fromUs ?? Infinity;
    const instant = i === 0 ? day * DAY_US - aheadUs : Math.max(fromUs, day * DAY_US - aheadUs);
    if (instant < untilUs) return instant;
  }
  return day * DAY_US;
}

/** The first day of the week or month that a day is in; days count from 1 January 1970. */
function firstDay(unit: "day" | "week" | "month", day: number): number {
  if (unit === "day") return day;
  if (unit === "week")
    return day - ((((day + MONDAY_OFFSET) % DAYS_PER_WEEK) + DAYS_PER_WEEK) % DAYS_PER_WEEK);
  const { year, month } = civilFrom(day);
  return daysUntil(year, month);
}

function nextFirstDay(unit: "day" | "week" | "month", first: number): number {
  if (unit === "day") return first + 1;
  if (unit === "week") return first + DAYS_PER_WEEK;
  const { year, month } = civilFrom(first);
  return month === 12 ? daysUntil(year + 1, 1) : daysUntil(year, month + 1);
}

/** Year and month, from 1, of a day. */
function civilFrom(day: number): { year: number; month: number } {
  let year = 1970 + Math.floor(day / DAYS_PER_YEAR);
  while (daysUntil(year, 1) > day) year--;
  while (daysUntil(year + 1, 1) <= day) year++;
  let month = 12;
  while (daysUntil(year, month) > day) month--;
  return { year, month };
}

/** Days from 1 January 1970 until the first of that month. */
function daysUntil(year: number, month: number): number {
  const leapDay = isLeap(year) && month > 2 ? 1 : 0;
  return (
    365 * (year - 1970) + leapDaysBefore(year) - leapDaysBefore(1970) + DAYS_BEFORE[month - 1]! + leapDay
  );
}

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

function leapDaysBefore(year: number): number {
  const years = year - 1;
  return Math.floor(years / 4) - Math.floor(years / 100) + Math.floor(years / 400);
}
