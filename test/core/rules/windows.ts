import type { ZoneRules } from "../../../src/core/budget/calendar.ts";
import { type Micros, seconds } from "../../../src/core/units.ts";

/**
 * Windows of time as the second book knows them: two instants are in the same instance of a window or they are not. Local
 * days come from the platform's time zones, and not from rules that anybody has written down.
 */

const MINUTE_US = seconds(60);
const HOUR_US = seconds(3_600);
/** Nowhere have clocks ever been put back by more, where it mattered to the date. */
const PUT_BACK_MINUTES = 60;

const formats = new Map<string, Intl.DateTimeFormat>();
const dates = new Map<string, string>();

/** The name of the instance that an instant is in; of a rolling window, of its bucket. */
export function instanceOf(window: string, atUs: Micros): string {
  if (window === "total") return "always";
  if (window === "minute") return `${Math.floor(atUs / MINUTE_US)}`;
  if (window === "hour") return `${Math.floor(atUs / HOUR_US)}`;
  if (window.startsWith("rolling:")) return `${bucketOf(window, atUs)}`;
  const [unit, zone = "UTC"] = window.split("@");
  const day = localDay(zone, atUs);
  if (unit === "month") return day.slice(0, "2024-03".length);
  return unit === "week" ? mondayOf(day) : day;
}

/** Whether what was taken then counts in the window now. */
export function countsAt(window: string, thenUs: Micros, nowUs: Micros): boolean {
  if (!window.startsWith("rolling:")) return instanceOf(window, thenUs) === instanceOf(window, nowUs);
  const bucketsAgo = bucketOf(window, nowUs) - bucketOf(window, thenUs);
  return bucketsAgo >= 0 && bucketsAgo <= lengthOf(window) / bucketSeconds(window);
}

/** Whole buckets of a 60th of the window, or of a second. */
function bucketOf(window: string, atUs: Micros): number {
  return Math.floor(atUs / seconds(bucketSeconds(window)));
}

function bucketSeconds(window: string): number {
  return Math.ceil(lengthOf(window) / 60);
}

function lengthOf(window: string): number {
  return Number(window.slice("rolling:".length));
}

/** The latest date that clocks have shown there: where they are put back over midnight, the day that had begun goes on. */
function localDay(zone: string, atUs: Micros): string {
  let latest = dateAt(zone, atUs);
  for (let minutes = 1; minutes <= PUT_BACK_MINUTES; minutes++) {
    const before = dateAt(zone, atUs - minutes * MINUTE_US);
    if (before > latest) latest = before;
  }
  return latest;
}

/** As in `2024-03-31`. */
function dateAt(zone: string, atUs: Micros): string {
  const minute = Math.floor(atUs / MINUTE_US);
  const key = `${zone} ${minute}`;
  let date = dates.get(key);
  if (date === undefined) {
    let format = formats.get(zone);
    if (format === undefined) {
      format = new Intl.DateTimeFormat("en-CA", { timeZone: zone, dateStyle: "short" });
      formats.set(zone, format);
    }
    dates.set(key, (date = format.format((minute * MINUTE_US) / 1_000)));
  }
  return date;
}

function mondayOf(day: string): string {
  const date = new Date(`${day}T00:00:00Z`);
  const sinceMonday = (date.getUTCDay() + 6) % 7;
  return new Date(date.getTime() - sinceMonday * 86_400_000).toISOString().slice(0, day.length);
}

function instant(utc: string): Micros {
  return Date.parse(utc) * 1_000;
}

/** A time zone, as the budget is told about it, and an instant shortly before its clocks are changed. */
export interface ClockChange {
  rules: ZoneRules;
  startUs: Micros;
}

const BERLIN: ZoneRules = {
  zone: "Europe/Berlin",
  offsets: [
    { fromUs: 0, aheadUs: HOUR_US },
    { fromUs: instant("2024-03-31T01:00Z"), aheadUs: 2 * HOUR_US },
    { fromUs: instant("2024-10-27T01:00Z"), aheadUs: HOUR_US },
  ],
};

/** Clocks were put forward at midnight: that day began at one. */
const SAO_PAULO: ZoneRules = {
  zone: "America/Sao_Paulo",
  offsets: [
    { fromUs: 0, aheadUs: -3 * HOUR_US },
    { fromUs: instant("2018-11-04T03:00Z"), aheadUs: -2 * HOUR_US },
    { fromUs: instant("2019-02-17T02:00Z"), aheadUs: -3 * HOUR_US },
  ],
};

/** Clocks were put back a minute after midnight: the same date began twice. */
const ST_JOHNS: ZoneRules = {
  zone: "America/St_Johns",
  offsets: [
    { fromUs: 0, aheadUs: -3.5 * HOUR_US },
    { fromUs: instant("2010-03-14T03:31Z"), aheadUs: -2.5 * HOUR_US },
    { fromUs: instant("2010-11-07T02:31Z"), aheadUs: -3.5 * HOUR_US },
  ],
};

export const CLOCK_CHANGES: readonly ClockChange[] = [
  { rules: BERLIN, startUs: instant("2024-03-30T12:00Z") },
  { rules: BERLIN, startUs: instant("2024-10-26T12:00Z") },
  { rules: SAO_PAULO, startUs: instant("2018-11-03T12:00Z") },
  { rules: SAO_PAULO, startUs: instant("2019-02-16T12:00Z") },
  { rules: ST_JOHNS, startUs: instant("2010-11-06T12:00Z") },
];
