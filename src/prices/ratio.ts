/** Exact arithmetic for prices: a number as people write it is a fraction, and is rounded once, at the end. */
export interface Ratio {
  numerator: bigint;
  /** Above 0. */
  denominator: bigint;
}

/** More than any price or rate needs, and few enough to multiply at once. */
const EXPONENT_MAX = 60;
const DIGITS_MAX = 60;

/** What a decimal such as `2.5`, `1e-7` or `1.25E-06` says, to its last digit; null when it is none, is below 0 or absurdly long. */
export function parseRatio(text: string): Ratio | null {
  const match = /^(\d+)(?:\.(\d+))?(?:e([+-]?\d{1,3}))?$/i.exec(text.trim());
  if (match === null) return null;
  const [, units = "", fraction = "", exponent = "0"] = match;
  const shift = Number(exponent) - fraction.length;
  if (Math.abs(shift) > EXPONENT_MAX || units.length + fraction.length > DIGITS_MAX) return null;
  const digits = BigInt(units + fraction);
  return shift >= 0
    ? { numerator: digits * 10n ** BigInt(shift), denominator: 1n }
    : { numerator: digits, denominator: 10n ** BigInt(-shift) };
}

export function times(a: Ratio, b: Ratio): Ratio {
  return { numerator: a.numerator * b.numerator, denominator: a.denominator * b.denominator };
}

/** `b` must not be 0. */
export function over(a: Ratio, b: Ratio): Ratio {
  return { numerator: a.numerator * b.denominator, denominator: a.denominator * b.numerator };
}

export function whole(value: number | bigint): Ratio {
  return { numerator: BigInt(value), denominator: 1n };
}

/** The next whole number that is not below it. */
export function roundedUp({ numerator, denominator }: Ratio): bigint {
  return (numerator + denominator - 1n) / denominator;
}
