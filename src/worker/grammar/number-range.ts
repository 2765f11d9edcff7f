/**
 * Grammars for numbers between bounds, in llama.cpp's notation (GBNF).
 *
 * A grammar can't compare, but it can walk along the digits of a bound. While all digits so far are
 * the bound's own, the next one is bounded by the bound's next; from the first digit that is
 * smaller or larger on, any digits may follow. From 38 to 527:
 *
 * ```
 *   two digits     3 ─▶ 8 9                  three digits    1 … 4 ─▶ any ─▶ any
 *                  4 … 9 ─▶ any                              5 ─▶ 0 1 ─▶ any
 *                                                                 2   ─▶ 0 … 7
 * ```
 * Fractions are walked in the same way, on from the digits before the point. They may stop wherever
 * the bound's remaining digits are zeros, as zeros can be left out: from 0.25 on, 0.3 may stop and
 * 0.2 may not.
 */

/** Digits behind the point that a bounded number has at most. Nearer to a bound it is not written. */
const FRACTION_DIGITS = 15;

export interface NumberBounds {
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
}

/**
 * The numbers within all of the bounds that have no exponent, lie within ±(2^53 - 1) and have a
 * bounded number of digits behind the point, or none: each of them, and no others. Null when there
 * are none.
 *
 * The bounds are finite. They hold for the number that is written and for the double it is read as.
 */
export function numberRange(kind: "integer" | "number", bounds: NumberBounds): string | null {
  const fraction = kind === "integer" ? 0 : FRACTION_DIGITS;
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = bounds;
  const min = Math.max(
    minimum ?? Number.MIN_SAFE_INTEGER,
    exclusiveMinimum === undefined ? Number.MIN_SAFE_INTEGER : neighbour(exclusiveMinimum, "up"),
  );
  const max = Math.min(
    maximum ?? Number.MAX_SAFE_INTEGER,
    exclusiveMaximum === undefined ? Number.MAX_SAFE_INTEGER : neighbour(exclusiveMaximum, "down"),
  );
  if (min > max || min > Number.MAX_SAFE_INTEGER || max < Number.MIN_SAFE_INTEGER) return null;
  const from = inUnits({ value: Math.max(min, Number.MIN_SAFE_INTEGER), fraction, round: "up" });
  const to = inUnits({ value: Math.min(max, Number.MAX_SAFE_INTEGER), fraction, round: "down" });
  const negative = from < 0n ? magnitudes({ from: to < 0n ? -to : 0n, to: -from, fraction }) : null;
  const positive = to >= 0n ? magnitudes({ from: from > 0n ? from : 0n, to, fraction }) : null;
  const parts = [negative === null ? null : `"-" (${negative})`, positive].filter((part) => part !== null);
  return parts.length === 0 ? null : parts.join(" | ");
}

/** The next double: what an exclusive bound is when it is read as an inclusive one. */
function neighbour(value: number, direction: "up" | "down"): number {
  if (value === 0) return direction === "up" ? Number.MIN_VALUE : -Number.MIN_VALUE;
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, value);
  const isAway = value > 0 === (direction === "up");
  bits.setBigInt64(0, bits.getBigInt64(0) + (isAway ? 1n : -1n));
  return bits.getFloat64(0);
}

/**
 * A number as a count of its smallest decimal places, 10^-fraction. It stands for the decimal that
 * JavaScript writes it as, such as 0.1, and not for the binary fraction nearby.
 */
function inUnits(options: { value: number; fraction: number; round: "up" | "down" }): bigint {
  const { value, fraction, round } = options;
  const [mantissa = "", exponent = "0"] = String(value).split("e");
  const [whole = "", places = ""] = mantissa.split(".");
  const digits = BigInt(whole.replace("-", "") + places) * (value < 0 ? -1n : 1n);
  const shift = Number(exponent) - places.length + fraction;
  if (shift >= 0) return digits * 10n ** BigInt(shift);
  const divisor = 10n ** BigInt(-shift);
  const isExact = digits % divisor === 0n;
  const towardsZero = digits / divisor;
  if (isExact || value > 0 === (round === "down")) return towardsZero;
  return towardsZero + (value > 0 ? 1n : -1n);
}

/** Numbers without a sign, `from` and `to` in units. */
function magnitudes(options: { from: bigint; to: bigint; fraction: number }): string | null {
  const { from, to, fraction } = options;
  if (from > to) return null;
  const unit = 10n ** BigInt(fraction);
  const shortest = String(from / unit).length;
  const longest = String(to / unit).length;
  // The smallest number with so many digits before the point is 10…0, or else 0.
  const smallest = (whole: number): bigint => (whole === 1 ? 0n : 10n ** BigInt(whole - 1) * unit);
  const ofLength = (whole: number, low: bigint, high: bigint): string => {
    const padded = (units: bigint): string => String(units).padStart(whole + fraction, "0");
    return wholePart({ low: belowAll(padded(low)), high: aboveAll(padded(high)) }, whole, fraction);
  };
  if (shortest === longest) return ofLength(shortest, from, to);
  const alternatives = [ofLength(shortest, from, smallest(shortest + 1) - 1n)];
  if (longest - shortest > 1) {
    alternatives.push(`[1-9] [0-9]{${shortest},${longest - 2}} ${fractionPart(FREE, fraction)}`);
  }
  alternatives.push(ofLength(longest, smallest(longest), to));
  return alternatives.join(" | ");
}

/** Digits of the bounds that are still to be walked along; null for a bound that is kept to whatever follows. */
interface Walk {
  readonly low: string | null;
  readonly high: string | null;
}

const FREE: Walk = { low: null, high: null };

/** So many digits, all of which have to be there, and behind them perhaps a fraction. */
function wholePart(walk: Walk, whole: number, fraction: number): string {
  if (whole === 0) return fractionPart(walk, fraction);
  if (isFree(walk)) return `[0-9]{${whole}} ${fractionPart(FREE, fraction)}`;
  return digit(walk, (rest) => wholePart(rest, whole - 1, fraction));
}

function fractionPart(walk: Walk, fraction: number): string {
  return followingPlaces(walk, fraction, `"." `);
}

/** At most `room` digits of a fraction. `point` stands before the first. */
function followingPlaces(walk: Walk, room: number, point: string): string {
  // Nothing but zeros may follow a bound's last digit, and they can be left out.
  if (room === 0 || (walk.high !== null && isAll(walk.high, "0"))) return "";
  const digits = isFree(walk)
    ? `[0-9]{1,${room}}`
    : digit(walk, (rest) => followingPlaces(rest, room - 1, ""));
  return walk.low === null ? `(${point}${digits})?` : `${point}${digits}`;
}

/** One digit, and what follows it according to whether it is the bounds' own. */
function digit({ low, high }: Walk, rest: (walk: Walk) => string): string {
  const lowest = Number(low?.[0] ?? 0);
  const highest = Number(high?.[0] ?? 9);
  const lowRest = low === null ? null : belowAll(low.slice(1));
  const highRest = high === null ? null : aboveAll(high.slice(1));
  if (lowest === highest) return `"${lowest}" ${rest({ low: lowRest, high: highRest })}`;
  const alternatives: string[] = [];
  let [free, freeEnd] = [lowest, highest];
  if (lowRest !== null) {
    alternatives.push(`"${lowest}" ${rest({ low: lowRest, high: null })}`);
    free++;
  }
  if (highRest !== null) {
    alternatives.push(`"${highest}" ${rest({ low: null, high: highRest })}`);
    freeEnd--;
  }
  if (free <= freeEnd) alternatives.push(`[${free}-${freeEnd}] ${rest(FREE)}`);
  return `(${alternatives.join(" | ")})`;
}

function isFree({ low, high }: Walk): boolean {
  return low === null && high === null;
}

/** A lower bound of nothing but zeros is kept to by all digits. */
function belowAll(digits: string): string | null {
  return isAll(digits, "0") ? null : digits;
}

/** And an upper bound of nothing but nines. */
function aboveAll(digits: string): string | null {
  return isAll(digits, "9") ? null : digits;
}

function isAll(digits: string, wanted: string): boolean {
  return digits === wanted.repeat(digits.length);
}
