import type { CoreConfig } from "../../core/config.ts";
import { type Micros, seconds } from "../../core/units.ts";
import { type EngineSpec, LARGE_PARKING, type Scenario, type WorkerSpec } from "../scenario.ts";
import type { Experiment, WorkerGroup } from "./experiment.ts";
import { ZONE } from "../money.ts";
import { LAB_MODEL, labConfig } from "./lab-config.ts";

const NETWORK_US = 250;
const LEDGER_US = 1_000;
const HEARTBEAT_US = seconds(1);
const BURST_TOKENS = 128;

/** Well before midnight, and early enough that a double still tells moments within a microsecond apart. */
const MORNING_US = seconds(1_000_000);

/** Until every worker has been heard of. */
export function leadUs({ reportDelayUs = 0 }: Experiment): Micros {
  return reportDelayUs + seconds(1);
}

/** The virtual world of an experiment. */
export function scenarioOf(experiment: Experiment): Scenario {
  const { fleet, networkDelayUs = NETWORK_US, reportDelayUs = 0, ledgerUs = LEDGER_US } = experiment;
  const models = modelsOf(experiment);
  const { requests } = experiment.workload;
  return {
    startUs: MORNING_US,
    config: configOf(experiment, models),
    limits: [...(experiment.limits ?? [])],
    // For limits that somebody sets where faults are on.
    zones: [{ zone: ZONE, offsets: [{ fromUs: 0, aheadUs: 0 }] }],
    workers: fleet.flatMap((group, index) => {
      return Array.from({ length: group.count }, (_, each) => workerOf(experiment, { group, index, each }));
    }),
    remotes: [],
    // For calamities, which are drawn over the time that the load lasts.
    load: {
      requests: requests.length,
      meanGapUs: (requests.at(-1)?.atUs ?? 0) / Math.max(1, requests.length) / (experiment.load ?? 1),
      burstShare: 0,
      promptTokensMax: 1,
      answerTokensMean: 1,
      hasHints: false,
      choicesShare: 0,
      patienceUs: 0,
      names: models,
    },
    slices: null,
    isAnsweredOut: true,
    hasOperator: false,
    disk: { syncUs: ledgerUs, relaxedUs: ledgerUs },
    network: { delayUs: networkDelayUs, reportDelayUs },
  };
}

/** Worker number `each` of a group. */
export function workerOf(
  experiment: Experiment,
  { group, index, each }: { group: WorkerGroup; index: number; each: number },
): WorkerSpec {
  const { profile, role = "both", labels = {}, kvOvercommit = 1 } = group;
  const { contextTokens, sequencesMax, kvTokens, bytesPerKvToken } = profile;
  const served = { contextTokens, slots: sequencesMax, kvBytesPerToken: bytesPerKvToken };
  const kinds = { modelHash: profile.name, stateFingerprint: profile.name };
  const kvBytesMax = profile.admission === "peak" ? 1e15 : kvTokens * bytesPerKvToken * kvOvercommit;
  return {
    id: `g${index}-${each}`,
    dialect: "headgate",
    models: modelsOf(experiment).map((model) => ({ model, ...served, ...kinds })),
    limits: { sessionsMax: sequencesMax, sessionKvBytesMax: kvBytesMax, kvBytesMax },
    engine: engineOf(experiment, group),
    isRemote: false,
    heartbeatUs: experiment.heartbeatUs ?? HEARTBEAT_US,
    role,
    labels,
    countsOwnSessions: true,
    parking: LARGE_PARKING,
  };
}

function engineOf(
  { stepNoise = 0, burstTokens = BURST_TOKENS }: Experiment,
  { profile }: WorkerGroup,
): EngineSpec {
  return { profile, stepNoise, burstTokens };
}

/** Every model that is asked for; all workers serve all of them. */
function modelsOf({ workload }: Experiment): string[] {
  return [...new Set(workload.requests.map(({ model }) => model ?? LAB_MODEL)).add(LAB_MODEL)];
}

function configOf({ seed, config, workload }: Experiment, models: readonly string[]): CoreConfig {
  const base = labConfig();
  const { placement, ...scheduling } = config?.scheduling ?? base.scheduling;
  // Blocks are as long as the workload says, whatever a gateway would make them.
  const prefix = { ...placement.prefix, blockTokens: workload.blockTokens };
  return {
    ...base,
    seed,
    models: Object.fromEntries(models.map((model) => [model, base.models[LAB_MODEL]!])),
    ...config,
    scheduling: { ...scheduling, placement: { ...placement, prefix } },
  };
}
