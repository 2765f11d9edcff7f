import type { Scheduling } from "./config.ts";
import { seconds } from "./units.ts";

/**
 * Scheduling by one of the placement profiles that come with Headgate, and by the simplest of everything else: one
 * band, first come first served among tenants in turn, nothing shed, no hedge.
 */
export function schedulingOf(profile: string): Scheduling {
  return {
    placement: {
      profile,
      profiles: {},
      canary: null,
      prefix: { blockTokens: 64, blocksMax: 1_000_000 },
      signals: SIGNALS_DEFAULT,
      slo: null,
      splitTokensMin: 512,
    },
    queueing: {
      bands: [
        {
          name: "normal",
          weight: 1,
          packetsMax: null,
          bytesMax: null,
          ttlUs: null,
          isSheddable: false,
          preempts: false,
        },
      ],
      bandPolicy: { name: "strict", parameters: {} },
      fairness: { name: "fcfs-flows", parameters: {} },
      ordering: { name: "fcfs", parameters: {} },
      batching: null,
      flowBy: "tenant",
      weights: {},
      caps: {},
    },
    admission: {
      saturation: { name: "utilisation", parameters: {} },
      shedding: { name: "none", parameters: {} },
      rates: {},
      payerRates: {},
    },
    tail: {
      hedge: null,
      backoff: { baseUs: 0, maxUs: 0 },
      breaker: null,
      migration: false,
    },
  };
}

/** How long reports are believed, and how many sessions are remembered for how long. */
export const SIGNALS_DEFAULT = {
  trustUs: seconds(15),
  sessionsMax: 100_000,
  sessionTtlUs: seconds(3_600),
} as const;
