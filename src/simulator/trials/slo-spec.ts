import { seconds } from "../../core/units.ts";
import type { Slo } from "../../core/vocabulary.ts";

const UNITS: Readonly<Record<string, number>> = { us: 1e-6, ms: 1e-3, s: 1, m: 60, min: 60, h: 3_600 };

/** `2s`, `50ms`, `1.5min`; a bare number is seconds. Throws on anything else, naming the option. */
export function parseSeconds(text: string, option: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/.exec(text.trim()) ?? [];
  const scale = unit === "" ? 1 : Object.hasOwn(UNITS, unit ?? "") ? UNITS[unit!] : undefined;
  if (number !== undefined && scale !== undefined) return Number(number) * scale;
  throw new Error(`${option}: "${text}" is no duration: write it as 2s, 50ms or 10min.`);
}

/** `ttft=2s,tpot=50ms`. Either may be left out, and then does not matter. */
export function parseSlo(text: string): Slo {
  const slo: Slo = { ttftUs: Number.MAX_SAFE_INTEGER, tpotUs: Number.MAX_SAFE_INTEGER };
  for (const part of text.split(",")) {
    const [name, value] = part.split("=", 2).map((piece) => piece.trim());
    if ((name !== "ttft" && name !== "tpot") || value === undefined) {
      throw new Error(`--slo: "${part}" can't be read: write it as ttft=2s,tpot=50ms.`);
    }
    slo[`${name}Us`] = seconds(parseSeconds(value, "--slo"));
  }
  return slo;
}
