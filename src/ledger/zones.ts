import type { ZoneRules } from "../core/budget/calendar.ts";
import { UTC } from "../core/budget/windows.ts";
import { MICROS_PER_MILLI, type Micros, seconds } from "../core/units.ts";

/** What people are told to write. */
export const ZONE_FORMS =
  "Time zones are written as in the IANA database, such as Europe/Berlin, America/New_York, Asia/Kolkata or UTC.";

/** Nothing is counted before it; what comes before the first rule is taken to be as the first. */
export const RULES_FROM_US: Micros = Date.UTC(2020, 0, 1) * MICROS_PER_MILLI;

const DAY_US = seconds(86_400);
/** Since 2020 clocks are changed at whole quarters of an hour in UTC, by whole quarters. */
const STEP_US = seconds(900);
const MINUTE_US = seconds(60);

/** Whether this machine knows the time zone, in just that spelling: another would be another window. */
export function isTimeZone(zone: string): boolean {
  try {
    const { timeZone } = new Intl.DateTimeFormat("en-US", { timeZone: zone }).resolvedOptions();
    // Names that were replaced stand for others; of a name that does not, only one spelling is right.
    return timeZone === zone || timeZone.toLowerCase() !== zone.toLowerCase();
  } catch {
    return false;
  }
}

/** Whether it is one of the names of UTC, such as `Etc/UTC` or `Zulu`. */
export function isUtc(zone: string): boolean {
  if (zone === UTC) return true;
  if (!isTimeZone(zone)) return false;
  const { timeZone } = new Intl.DateTimeFormat("en-US", { timeZone: zone }).resolvedOptions();
  return timeZone === UTC || timeZone === `Etc/${UTC}`;
}

/**
 * How far local clocks are ahead of UTC, found by asking for it day by day, and where it changes down to the quarter of an
 * hour: for all from `fromUs`, a whole quarter of an hour, until `untilUs`. The last rule says the same as the one before:
 * it marks how far the rules are known. The time zone has to be one.
 */
export function probeZone(zone: string, { fromUs, untilUs }: { fromUs: Micros; untilUs: Micros }): ZoneRules {
  const aheadAt = asker(zone);
  const offsets = [{ fromUs, aheadUs: aheadAt(fromUs) }];
  for (let beforeUs = fromUs; beforeUs < untilUs;) {
    const afterUs = Math.min(beforeUs + DAY_US, untilUs);
    const aheadUs = aheadAt(afterUs);
    if (aheadUs !== offsets.at(-1)!.aheadUs) {
      offsets.push({ fromUs: changeBetween(beforeUs, afterUs, aheadAt), aheadUs });
    }
    beforeUs = afterUs;
  }
  if (offsets.at(-1)!.fromUs < untilUs) offsets.push({ fromUs: untilUs, aheadUs: offsets.at(-1)!.aheadUs });
  return { zone, offsets };
}

/** The date that local clocks show, as in `2026-03-29`. */
export function localDate({ offsets }: ZoneRules, atUs: Micros): string {
  const rule = offsets.findLast(({ fromUs }) => fromUs <= atUs) ?? offsets[0]!;
  return new Date((atUs + rule.aheadUs) / MICROS_PER_MILLI).toISOString().slice(0, "2026-03-29".length);
}

/** The first quarter of an hour after `beforeUs` at which clocks show what they do at `afterUs`. */
function changeBetween(beforeUs: Micros, afterUs: Micros, aheadAt: (atUs: Micros) => Micros): Micros {
  const aheadUs = aheadAt(afterUs);
  let [low, high] = [0, Math.ceil((afterUs - beforeUs) / STEP_US)];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (aheadAt(beforeUs + middle * STEP_US) === aheadUs) high = middle;
    else low = middle;
  }
  return Math.min(beforeUs + high * STEP_US, afterUs);
}

function asker(zone: string): (atUs: Micros) => Micros {
  const format = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "longOffset" });
  return (atUs) => {
    // As in `1/1/1970, GMT+05:30`, or `GMT` alone.
    const text = format.format(atUs / MICROS_PER_MILLI);
    const [, sign, hours, minutes] = /GMT(?:([+-])(\d{2}):(\d{2}))?/.exec(text)!;
    if (sign === undefined) return 0;
    const aheadUs = (Number(hours) * 60 + Number(minutes)) * MINUTE_US;
    return sign === "-" ? -aheadUs : aheadUs;
  };
}
