import { Calendar, type Span, type ZoneRules } from "../core/budget/calendar.ts";
import { UTC } from "../core/budget/windows.ts";
import { MICROS_PER_MILLI, type Micros, seconds } from "../core/units.ts";
import { TermError } from "./terms.ts";

/** Which stretch of time is meant: a month, or days; this month if nothing is said. */
export interface PeriodTerms {
  /** As in `2026-10`. */
  month?: string | undefined;
  lastMonth?: boolean | undefined;
  /** The first and the last day, as in `2026-10-01`. Without a last day, all until now. */
  from?: string | undefined;
  until?: string | undefined;
}

const HALF_DAY_US = seconds(43_200);

/** From the first instant that counts to the one after the last, by local clocks. Throws a `TermError` for what is none. */
export function readPeriod(terms: PeriodTerms, rules: ZoneRules, nowUs: Micros): Span {
  const { month, lastMonth = false, from, until } = terms;
  const ways = [month !== undefined, lastMonth, from !== undefined || until !== undefined];
  if (ways.filter(Boolean).length > 1) {
    throw new TermError("period", "choose one: a month, the last month, or days from and until");
  }
  const calendar = new Calendar([rules]);
  const windowOf = (unit: string): string => (rules.zone === UTC ? unit : `${unit}@${rules.zone}`);
  const monthAt = (atUs: Micros): Span => calendar.span(windowOf("month"), atUs);
  const thisMonth = monthAt(nowUs);
  if (lastMonth) return monthAt(thisMonth.startUs - 1);
  if (month !== undefined) return monthAt(readDay("month", `${month}-15`));
  if (from === undefined && until === undefined) return thisMonth;
  if (from === undefined) throw new TermError("from", "say from which day on, such as 2026-10-01");
  const dayOf = (param: string, text: string): Span => {
    const noonUs = readDay(param, text);
    // In zones far from UTC, noon of a day in UTC is in the day before or after.
    const spans = [0, HALF_DAY_US, -HALF_DAY_US].map((off) => calendar.span(windowOf("day"), noonUs + off));
    const span = spans.find(({ startUs }) => localDay(startUs, rules.zone) === text);
    if (span !== undefined) return span;
    throw new TermError(param, `there was no ${text} in ${rules.zone}`);
  };
  const { startUs } = dayOf("from", from);
  const endUs = until === undefined ? nowUs : dayOf("until", until).endUs;
  if (endUs > startUs) return { startUs, endUs };
  throw new TermError("until", `${until ?? "now"} is before ${from}`);
}

/** Noon in UTC. */
function readDay(param: string, text: string): Micros {
  const ms = /^20\d\d-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T12:00:00Z`) : NaN;
  // Dates such as 2026-02-30 are taken for other ones.
  if (!Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text)) return ms * MICROS_PER_MILLI;
  const isMonth = param === "month";
  const form = isMonth ? "month: give one such as 2026-10" : "day: give one such as 2026-10-01";
  throw new TermError(param, `"${isMonth ? text.slice(0, -"-15".length) : text}" is no ${form}`);
}

/** What calendars there show, as in `2026-03-29`. */
export function localDay(atUs: Micros, zone: string): string {
  return dayFormat(zone).format(atUs / MICROS_PER_MILLI);
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** Kept for the last zone: making one costs more than thousands of uses. */
function dayFormat(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short" });
    formats.clear();
    formats.set(zone, format);
  }
  return format;
}
