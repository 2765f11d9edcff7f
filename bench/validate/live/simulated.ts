import type { CoreConfig } from "../../../src/core/config.ts";
import { type Micros, MICROS_PER_MILLI, MICROS_PER_SECOND } from "../../../src/core/units.ts";
import type { EngineProfile } from "../../../src/simulator/engine-profiles/engine-profile.ts";
import { runExperiment } from "../../../src/simulator/lab/run-experiment.ts";
import type { Workload } from "../../../src/simulator/workloads/workload.ts";
import type { LiveAnswer } from "./live.ts";
import type { Overhead } from "./overhead.ts";

/** Long enough for what runs at the end of a part to be over; costs nothing in virtual time. */
const PAUSE_US: Micros = 60 * MICROS_PER_SECOND;
/** Of the simulator's own messages and disk: the supervisor and its workers share a machine. */
const NETWORK_US: Micros = 100;
const LEDGER_US: Micros = 1_000;
const TENANT = "local";

export interface SimulatedAnswer {
  ttftMs: number;
  totalMs: number;
  promptTokens: number;
  outputTokens: number;
}

/** The requests of live parts as the simulator takes them: the tokens that were counted there, and nothing in common. */
export function workloadOf(parts: readonly (readonly LiveAnswer[])[], model: string): Workload {
  let beginUs = 0;
  const requests = parts.flatMap((part) => {
    const arrived = part.map(({ request, promptTokens, outputTokens }) => {
      return {
        atUs: beginUs + request.atUs,
        tenant: TENANT,
        model,
        promptTokens,
        outputTokens,
        maxTokens: outputTokens,
        blocks: [],
        session: null,
        priority: null,
        slo: null,
      };
    });
    beginUs = arrived.at(-1)!.atUs + PAUSE_US;
    return arrived;
  });
  return { name: "live", source: "measured", blockTokens: 64, requests };
}

/** The same requests by the same decisions on workers of the profile. Throws when one of them is not completed. */
export function simulate(options: {
  workload: Workload;
  config: CoreConfig;
  profile: EngineProfile;
  workers: number;
  overhead: Overhead;
  seed: number;
}): SimulatedAnswer[] {
  const { workload, config, overhead, seed } = options;
  const { requests, violations } = runExperiment({
    seed,
    fleet: [{ profile: withOverhead(options.profile, overhead), count: options.workers }],
    workload,
    config,
    networkDelayUs: NETWORK_US,
    ledgerUs: LEDGER_US,
  });
  if (violations.length > 0) throw new Error(`the simulation broke a promise: ${violations[0]!.message}`);
  return requests.map((result) => {
    const { request, arrivedUs, firstTokenUs, endUs, outputTokens, outcome, error } = result;
    if (outcome !== "completed") throw new Error(`a simulated request was not completed: ${error}`);
    return {
      ttftMs: (firstTokenUs! - arrivedUs) / MICROS_PER_MILLI,
      totalMs: (endUs - arrivedUs + overhead.restUs) / MICROS_PER_MILLI,
      promptTokens: request.promptTokens,
      outputTokens,
    };
  });
}

/** A request's time on its way, less what the simulator itself lets pass: a message there, a group of the ledger, a message back. */
function withOverhead(profile: EngineProfile, { ttftUs }: Overhead): EngineProfile {
  const [requestUs = 0, tokenUs = 0] = profile.queueUs ?? [];
  const ownUs = LEDGER_US + 2 * NETWORK_US;
  return { ...profile, queueUs: [Math.max(0, requestUs + ttftUs - ownUs), tokenUs] };
}
