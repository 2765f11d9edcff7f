import type { Price } from "../../core/budget/money.ts";
import { seconds } from "../../core/units.ts";
import { LARGE_PARKING, type WorkerSpec } from "../scenario.ts";

/** What only the last requests of a world ask for. */
export const PROBE_MODEL = "probe";

/** A nano-USD for each token of a prompt, and nothing else: so a request can be made to cost any amount. */
export const PROBE_PRICE: Price = { input: 1_000_000, cachedInput: 1_000_000, output: 0, request: 0 };

/** Takes prompts of any length, and reports often. */
export function probeWorker(): WorkerSpec {
  const plenty = 1e15;
  const limits = { sessionsMax: 100, sessionKvBytesMax: plenty, kvBytesMax: plenty };
  return {
    id: PROBE_MODEL,
    dialect: "headgate",
    models: [{ model: PROBE_MODEL, slots: 100, contextTokens: plenty, kvBytesPerToken: 0 }],
    limits,
    engine: {
      stepNoise: 0,
      burstTokens: 1,
      profile: {
        name: PROBE_MODEL,
        source: "a simulation's end",
        prefillUs: [1_000, 0, 0],
        decodeUs: [1_000, 0, 0],
        kvTokens: 1_000_000,
        blockTokens: 1,
        sequencesMax: 100,
        contextTokens: 1_000_000,
        batching: { kind: "mixed", tokensPerStepMax: 1_000 },
        admission: "prompt",
        prefixCache: false,
        startUs: 0,
        bytesPerKvToken: 1,
      },
    },
    isRemote: false,
    heartbeatUs: seconds(0.5),
    role: "both",
    labels: {},
    countsOwnSessions: true,
    parking: LARGE_PARKING,
  };
}
