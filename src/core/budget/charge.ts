import type { NanoUsd } from "./money.ts";

/** What one packet costs, or could cost: in every unit that a budget can be set in, and what bills tell apart. */
export interface Charge {
  nanoUsd: NanoUsd;
  /** All of the prompt. */
  inputTokens: number;
  /** Of those, what was found in a cache. */
  cachedTokens: number;
  /** All that was generated. */
  outputTokens: number;
  /** Of those, what was thought and not said. */
  reasoningTokens: number;
  requests: number;
  /** GPU time in whole µs: see `gpu-time.ts`. */
  gpuUs: number;
}

export const NOTHING: Readonly<Charge> = {
  nanoUsd: 0,
  inputTokens: 0,
  cachedTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  requests: 0,
  gpuUs: 0,
};

export function plus(a: Charge, b: Charge): Charge {
  return combine(a, b, (x, y) => x + y);
}

export function minus(a: Charge, b: Charge): Charge {
  return combine(a, b, (x, y) => x - y);
}

/** In each unit the smaller of the two. */
export function least(a: Charge, b: Charge): Charge {
  return combine(a, b, Math.min);
}

/** What goes beyond `limit`, in each unit that is held; null when nothing does. */
export function excess(use: Charge, limit: Charge): Charge | null {
  const over = combine(use, limit, (used, allowed) => Math.max(0, used - allowed));
  // Worst cases say nothing of these: they are part of what is held.
  over.cachedTokens = 0;
  over.reasoningTokens = 0;
  return isNothing(over) ? null : over;
}

export function isNothing(charge: Charge): boolean {
  const { nanoUsd, inputTokens, cachedTokens, outputTokens, reasoningTokens, requests, gpuUs } = charge;
  const isFree = nanoUsd === 0 && requests === 0 && gpuUs === 0;
  return isFree && inputTokens === 0 && cachedTokens === 0 && outputTokens === 0 && reasoningTokens === 0;
}

function combine(a: Charge, b: Charge, of: (x: number, y: number) => number): Charge {
  return {
    nanoUsd: of(a.nanoUsd, b.nanoUsd),
    inputTokens: of(a.inputTokens, b.inputTokens),
    cachedTokens: of(a.cachedTokens, b.cachedTokens),
    outputTokens: of(a.outputTokens, b.outputTokens),
    reasoningTokens: of(a.reasoningTokens, b.reasoningTokens),
    requests: of(a.requests, b.requests),
    gpuUs: of(a.gpuUs, b.gpuUs),
  };
}
