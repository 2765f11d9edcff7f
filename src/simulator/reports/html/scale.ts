/** Where values lie along an axis, and which of them are written beside it. */
export interface Scale {
  /** From 0, where the axis begins, to 1, where it ends; values beyond lie at its ends. */
  place(value: number): number;
  ticks: readonly number[];
}

const LINEAR_TICKS = 5;
/** Seconds between ticks of a time axis. */
const TIME_STEPS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400,
];

export function linearScale([low, high]: readonly [number, number]): Scale {
  return steppedScale([low, high], niceStep((high - low) / LINEAR_TICKS || 1));
}

/** In seconds, with ticks where a clock has them. */
export function timeScale([low, high]: readonly [number, number]): Scale {
  const rough = (high - low) / (LINEAR_TICKS + 1);
  return steppedScale([low, high], TIME_STEPS.find((step) => step >= rough) ?? niceStep(rough));
}

function steppedScale([low, high]: readonly [number, number], step: number): Scale {
  const from = Math.floor(low / step + 1e-9);
  const to = Math.max(from + 1, Math.ceil(high / step - 1e-9));
  const ticks = Array.from({ length: to - from + 1 }, (_, i) => cleaned((from + i) * step));
  return { place: placing(ticks[0]!, ticks.at(-1)!, (value) => value), ticks };
}

/** Both ends above 0. Ticks at powers of ten, and at multiples of those where there are few. */
export function logScale([low, high]: readonly [number, number]): Scale {
  const from = Math.floor(Math.log10(low) + 1e-9);
  const to = Math.max(from + 1, Math.ceil(Math.log10(high) - 1e-9));
  const decades = Math.log10(high / low);
  const mantissas = decades < 1 ? [1, 1.5, 2, 3, 4, 5, 6, 8] : decades < 2.5 ? [1, 2, 5] : [1];
  const ticks = Array.from({ length: to - from + 1 }, (_, i) => from + i)
    .flatMap((power) => mantissas.map((mantissa) => cleaned(mantissa * 10 ** power)))
    .filter((tick) => tick <= 10 ** to * (1 + 1e-9));
  const inside = trimmed(ticks, low, high);
  return {
    place: placing(Math.min(low, inside[0]!), Math.max(high, inside.at(-1)!), Math.log10),
    ticks: inside,
  };
}

/** Without ticks more than one step outside of what there is to show. */
function trimmed(ticks: readonly number[], low: number, high: number): number[] {
  const first = Math.max(
    0,
    ticks.findLastIndex((tick) => tick <= low),
  );
  const last = ticks.findIndex((tick, i) => tick >= high && i > first);
  return ticks.slice(Math.min(first, ticks.length - 2), last === -1 ? undefined : last + 1);
}

function placing(low: number, high: number, of: (value: number) => number): (value: number) => number {
  const [from, to] = [of(low), of(high)];
  return (value) => Math.min(1, Math.max(0, (of(value) - from) / (to - from)));
}

/** 1, 2 or 5 times a power of ten, not below `rough`. */
function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const mantissa = [1, 2, 5, 10].find((candidate) => candidate * power >= rough * (1 - 1e-9)) ?? 10;
  return mantissa * power;
}

/** Without the last digits of binary arithmetic: 0.30000000000000004 is 0.3. */
function cleaned(value: number): number {
  return Number(value.toPrecision(12));
}
