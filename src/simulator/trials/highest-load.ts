import type { TrialOutcome } from "./trial.ts";

/** The highest load under which a policy kept its promise, for one seed. */
export interface HighestLoad {
  seed: number;
  /** Multiplies the workload's own rate; 0 where no load was low enough. */
  load: number;
  /** At that load. */
  goodputShare: number;
  requestsPerSecond: number;
  /** It kept its promise at the highest load that was tried, so there may be more. */
  isBeyond: boolean;
  /** Loads in the order in which they were tried, with the share of requests that met the SLO. */
  tried: { load: number; share: number }[];
}

/** Loads are tried within these bounds, around the workload's own. */
const LOAD_MIN = 1 / 64;
const LOAD_MAX = 64;
/** The load is found to this ratio. */
const RATIO = 1.02;

/**
 * Doubles or halves the load until one keeps the promise and another breaks it, then halves the distance
 * between the two, in ratios. Takes for granted that more load never helps. Null when a run was stopped.
 */
export async function highestLoad(search: {
  seed: number;
  /** Of requests that have to meet the SLO. */
  shareMin: number;
  run: (load: number) => Promise<TrialOutcome | null>;
}): Promise<HighestLoad | null> {
  const { seed, shareMin, run } = search;
  const tried: HighestLoad["tried"] = [];
  let low: { load: number; goodputShare: number; requestsPerSecond: number } | null = null;
  let high: number | null = null;
  let load = 1;
  while (load >= LOAD_MIN && load <= LOAD_MAX) {
    const outcome = await run(load);
    if (outcome === null) return null;
    const { goodput, requestsPerSecond } = outcome.metrics;
    const goodputShare = goodput?.share ?? 0;
    tried.push({ load, share: goodputShare });
    if (goodputShare >= shareMin) low = { load, goodputShare, requestsPerSecond };
    else high = load;
    if (low === null) load /= 2;
    else if (high === null) load *= 2;
    else if (high / low.load <= RATIO) break;
    else load = Math.sqrt(low.load * high);
  }
  const found = low ?? { load: 0, goodputShare: 0, requestsPerSecond: 0 };
  return { seed, ...found, isBeyond: high === null, tried };
}
