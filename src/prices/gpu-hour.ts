import type { NanoUsd } from "../core/budget/money.ts";
import { over, type Ratio, roundedUp, times, whole } from "./ratio.ts";

const SECONDS_PER_HOUR = 3_600;
const TOKENS_PER_PRICE = 1_000_000;

/** What tokens of a self-hosted model are made of. All of it exact. */
export interface GpuCost {
  /** For an hour of one GPU. */
  gpuHour: NanoUsd;
  /** Of one worker. */
  gpus: Ratio;
  /** Share of the paid time in which they work, above 0 and at most 1. */
  utilisation: Ratio;
  /** Tokens of prompts that a worker reads in a second in which it does nothing else. */
  prefillPerSecond: Ratio;
  /** Tokens of all answers together that it generates in a second in which it does nothing else. */
  decodePerSecond: Ratio;
}

/**
 * What a million tokens cost, in nano-USD, rounded up:
 *
 * ```
 *   GPU-hour × GPUs ÷ 3600 s ÷ utilisation ÷ tokens a second × 1,000,000
 * ```
 * Reading and writing take turns on the same GPUs, so a token pays for the time that it keeps them: a request
 * of p tokens of prompt and a of answer for p ÷ prefill + a ÷ decode seconds.
 */
export function gpuRates(cost: GpuCost): { input: NanoUsd; output: NanoUsd } {
  return { input: rate(cost, cost.prefillPerSecond), output: rate(cost, cost.decodePerSecond) };
}

function rate({ gpuHour, gpus, utilisation }: GpuCost, tokensPerSecond: Ratio): NanoUsd {
  const paid = times(whole(gpuHour), gpus);
  const tokensPaidFor = times(times(tokensPerSecond, utilisation), whole(SECONDS_PER_HOUR));
  return Number(roundedUp(times(over(paid, tokensPaidFor), whole(TOKENS_PER_PRICE))));
}
