import { nearestName } from "../config/nearest-name.ts";
import { UTC } from "../core/budget/windows.ts";

const SUGGESTIONS_MAX = 3;

/** The zone's usual spelling, such as `Europe/Berlin`; null for what is no time zone, or an offset, which knows no summer. */
export function readZone(text: string): string | null {
  if (!/^[A-Za-z]/.test(text)) return null;
  try {
    const { timeZone } = new Intl.DateTimeFormat("en", { timeZone: text }).resolvedOptions();
    return timeZone === "Etc/UTC" ? UTC : timeZone;
  } catch {
    return null;
  }
}

/** What was probably meant, for messages: `Berlin` and `Europe/Berln` are Europe/Berlin. */
export function zonesLike(text: string): string[] {
  const zones = Intl.supportedValuesOf("timeZone");
  const wanted = text.toLowerCase().replaceAll(" ", "_");
  const samePlace = zones.filter((zone) => wanted !== "" && placeOf(zone) === placeOf(wanted));
  if (samePlace.length > 0) return samePlace.slice(0, SUGGESTIONS_MAX);
  const nearest = nearestName(wanted, zones) ?? nearestPlace(placeOf(wanted), zones);
  return nearest === null ? [] : [nearest];
}

/** The last part of a zone's name, in small letters. */
function placeOf(zone: string): string {
  return zone.slice(zone.lastIndexOf("/") + 1).toLowerCase();
}

function nearestPlace(place: string, zones: string[]): string | null {
  const nearest = nearestName(place, zones.map(placeOf));
  return zones.find((zone) => placeOf(zone) === nearest) ?? null;
}
