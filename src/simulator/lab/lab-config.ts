import type { CoreConfig } from "../../core/config.ts";
import { schedulingOf } from "../../core/default-scheduling.ts";
import { seconds } from "../../core/units.ts";

/** What a workload that names no model is served by. */
export const LAB_MODEL = "model";

const UNLIMITED = 1e15;

/**
 * The configuration that an experiment changes parts of: no budgets, limits that nobody reaches and timeouts that only
 * what is broken runs into, so that what is seen is the scheduling.
 */
export function labConfig(): CoreConfig {
  const free = { input: 0, cachedInput: 0, output: 0, request: 0 };
  return {
    models: { [LAB_MODEL]: { maxTokensDefault: 2_048 } },
    aliases: {},
    remotes: [],
    scheduling: schedulingOf("least-request"),
    seed: 1,
    prices: {},
    defaultPrice: free,
    packetTokens: 512,
    gpuPacketUs: seconds(10),
    slices: { openMax: 1, perPayerMax: 1, depthMax: 1, ttlMaxUs: seconds(1) },
    limits: {
      workersMax: 10_000,
      sessionsMax: UNLIMITED,
      kvBytesMax: UNLIMITED,
      queuePacketsMax: 1_000_000,
      queueBytesMax: UNLIMITED,
      choicesMax: 1,
    },
    timeouts: {
      queueUs: seconds(86_400),
      prefillUs: seconds(3_600),
      stallUs: seconds(600),
      totalUs: seconds(86_400),
      slowClientUs: seconds(60),
      drainUs: seconds(60),
    },
    heartbeats: { staleUs: seconds(30), deadUs: seconds(60), behindMs: 60_000, aheadMs: 60_000 },
    retriesMax: 2,
  };
}
