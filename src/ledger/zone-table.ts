import type { DatabaseSync } from "node:sqlite";
import { UTC } from "../core/budget/windows.ts";
import type { ZoneRules } from "../core/budget/calendar.ts";
import { type Micros, seconds } from "../core/units.ts";
import { isTimeZone, probeZone, RULES_FROM_US, ZONE_FORMS } from "./zones.ts";

const YEAR_US = seconds(366 * 86_400);
const QUARTER_US = seconds(900);
/** Rules are asked for as far ahead, and again when less is left. */
const AHEAD_US = 5 * YEAR_US;
const LEFT_US_MIN = 2 * YEAR_US;

/**
 * Sees to it that the ledger knows the time zone for years to come. What it knows stays as it is, whatever this machine
 * has come to believe since: windows that have begun do not move.
 */
export function keepZone(database: DatabaseSync, zone: string, nowUs: Micros): void {
  const [known] = readZones(database, [zone]);
  const last = known?.offsets.at(-1) ?? null;
  if (last !== null && last.fromUs - nowUs >= LEFT_US_MIN) return;
  // Another machine knew it, which is better than nothing.
  if (last !== null && !isTimeZone(zone)) return;
  const fromUs = last === null ? RULES_FROM_US : last.fromUs + QUARTER_US;
  const insert = database.prepare("INSERT INTO zones (zone, from_us, ahead_us) VALUES (?, ?, ?)");
  for (const offset of probeZone(zone, { fromUs, untilUs: horizon(nowUs) }).offsets) {
    insert.run(zone, offset.fromUs, offset.aheadUs);
  }
}

/** What the ledger knows of these time zones, or of all; those it does not know are left out. */
export function readZones(database: DatabaseSync, zones?: Iterable<string>): ZoneRules[] {
  const statement = database.prepare(
    "SELECT from_us AS fromUs, ahead_us AS aheadUs FROM zones WHERE zone = ? ORDER BY from_us",
  );
  const known =
    zones ??
    database
      .prepare("SELECT DISTINCT zone FROM zones")
      .all()
      .map(({ zone }) => zone as string);
  return Array.from(new Set(known), (zone) => {
    const offsets = statement.all(zone).map(({ fromUs, aheadUs }) => ({
      fromUs: fromUs as Micros,
      aheadUs: aheadUs as Micros,
    }));
    return { zone, offsets };
  }).filter(({ offsets }) => offsets.length > 0);
}

/** The rules of a time zone, to report in: as the ledger knows them, else as this machine does. Throws when neither does. */
export function rulesOf(database: DatabaseSync, zone: string, nowUs: Micros): ZoneRules {
  if (zone === UTC) return { zone, offsets: [{ fromUs: 0, aheadUs: 0 }] };
  const [known] = readZones(database, [zone]);
  if (known !== undefined) return known;
  if (!isTimeZone(zone)) throw new Error(`${zone} is no time zone. ${ZONE_FORMS}`);
  return probeZone(zone, { fromUs: RULES_FROM_US, untilUs: horizon(nowUs) });
}

function horizon(nowUs: Micros): Micros {
  const untilUs = nowUs + AHEAD_US;
  return untilUs - (untilUs % QUARTER_US);
}
