import type { Interval } from "../../../src/simulator/statistics/intervals.ts";

/** `+3.1 % ± 0.4 %`, of shares. */
export function increaseText({ value, halfWidth }: Interval): string {
  return `${value < 0 ? "" : "+"}${percent(value)} ± ${percent(halfWidth)}`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
