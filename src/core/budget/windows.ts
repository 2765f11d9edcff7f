import { MICROS_PER_SECOND, type Micros } from "../units.ts";

/**
 * For how long a limit counts: `total`; `minute`, `hour`, `day`, `week` or `month` of the calendar in UTC;
 * `day@Europe/Berlin` and the like in a time zone; or `rolling:3600`, the last so many seconds at any moment. Weeks begin
 * on Monday. Two spellings would be two windows: `day@UTC` is stored as `day`.
 */
export type LimitWindow = string;

export type CalendarUnit = "minute" | "hour" | "day" | "week" | "month";

export type WindowSpec =
  | { kind: "total" }
  /** Minutes and hours are elapsed time, the same everywhere. */
  | { kind: "calendar"; unit: CalendarUnit; zone: string }
  /** Counted in buckets of `bucketUs`, of which the last `buckets` and the one under way count. */
  | { kind: "rolling"; bucketUs: Micros; buckets: number };

export const UTC = "UTC";
export const ROLLING_SECONDS_MAX = 366 * 24 * 3_600;

const CALENDAR_UNITS: readonly CalendarUnit[] = ["minute", "hour", "day", "week", "month"];
const LOCAL_UNITS: ReadonlySet<string> = new Set<CalendarUnit>(["day", "week", "month"]);
/** A use counts for as long as the window says, and for a part of it longer: a 60th, or a second. */
const BUCKETS = 60;

/** What people are told to write. */
export const WINDOW_FORMS = "total, minute, hour, day, week, month, day@Europe/Berlin or rolling:3600";

/** Null for what is no window. Whether there is such a time zone is for the shell to say. */
export function parseWindow(text: string): WindowSpec | null {
  if (text === "total") return { kind: "total" };
  const rolling = /^rolling:([1-9]\d{0,8})$/.exec(text);
  if (rolling !== null) {
    const seconds = Number(rolling[1]);
    if (seconds > ROLLING_SECONDS_MAX) return null;
    const bucketSeconds = Math.ceil(seconds / BUCKETS);
    const bucketUs = bucketSeconds * MICROS_PER_SECOND;
    return { kind: "rolling", bucketUs, buckets: Math.ceil(seconds / bucketSeconds) };
  }
  const calendar = /^([a-z]+)(?:@([A-Za-z0-9_+\-/]{1,64}))?$/.exec(text);
  const unit = CALENDAR_UNITS.find((known) => known === calendar?.[1]);
  if (unit === undefined) return null;
  const zone = calendar![2] ?? UTC;
  return zone === UTC || LOCAL_UNITS.has(unit) ? { kind: "calendar", unit, zone } : null;
}

/** The time zone it needs to know; null for one that needs none. */
export function zoneOf(window: LimitWindow): string | null {
  const spec = parseWindow(window);
  return spec?.kind === "calendar" && spec.zone !== UTC ? spec.zone : null;
}

/** As in `5 USD a day`. */
export function describeWindow(window: LimitWindow): string {
  const spec = parseWindow(window);
  if (spec === null || spec.kind === "total") return "in total";
  if (spec.kind === "rolling") return `in any ${window.slice("rolling:".length)} seconds`;
  const name = spec.unit === "hour" ? "an hour" : `a ${spec.unit}`;
  return spec.zone === UTC ? name : `${name} in ${spec.zone}`;
}
