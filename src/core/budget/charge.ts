import type { NanoUsd } from "./money.ts";

/** What one packet costs, or could cost, in every unit that a budget can be set in. */
export interface Charge {
  nanoUsd: NanoUsd;
  inputTokens: number;
  outputTokens: number;
  requests: number;
}

export const NOTHING: Readonly<Charge> = { nanoUsd: 0, inputTokens: 0, outputTokens: 0, requests: 0 };

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

/** What goes beyond `limit`, in each unit; null when nothing does. */
export function excess(use: Charge, limit: Charge): Charge | null {
  const over = combine(use, limit, (used, allowed) => Math.max(0, used - allowed));
  return isNothing(over) ? null : over;
}

export function isNothing({ nanoUsd, inputTokens, outputTokens, requests }: Charge): boolean {
  return nanoUsd === 0 && inputTokens === 0 && outputTokens === 0 && requests === 0;
}

function combine(a: Charge, b: Charge, of: (x: number, y: number) => number): Charge {
  return {
    nanoUsd: of(a.nanoUsd, b.nanoUsd),
    inputTokens: of(a.inputTokens, b.inputTokens),
    outputTokens: of(a.outputTokens, b.outputTokens),
    requests: of(a.requests, b.requests),
  };
}
