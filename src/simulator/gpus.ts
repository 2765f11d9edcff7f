import type { RemoteConfig } from "../core/config.ts";
import type { Random } from "../core/random.ts";
import { seconds } from "../core/units.ts";
import { drawGpuLimits } from "./money.ts";
import type { Scenario, WorkerSpec } from "./scenario.ts";

/** Share of worlds in which time on GPUs is counted at all. */
const WORLDS = 0.35;

/** GPUs in some worlds, and limits of the time on them in most of those: other worlds stay as they are. */
export function drawGpus(random: Random, scenario: Scenario): Scenario {
  if (!random.chance(WORLDS)) return scenario;
  const { config, limits, load, workers, remotes } = scenario;
  const onGpus = (spec: WorkerSpec): WorkerSpec => {
    const models = spec.models.map((model) => ({ ...model, gpus: random.pick([0, 0.25, 1, 4]) }));
    return { ...spec, models };
  };
  const rented = random.pick([0, 2]);
  const ofRented = <T extends object>(each: T): T & { gpus: number } => ({ ...each, gpus: rented });
  return {
    ...scenario,
    workers: workers.map(onGpus),
    remotes: remotes.map((spec) => ({ ...spec, models: spec.models.map(ofRented) })),
    config: {
      ...config,
      gpuPacketUs: seconds(random.pick([0.2, 1, 5])),
      remotes: config.remotes.map((remote): RemoteConfig => ofRented(remote)),
    },
    limits: [...limits, ...drawGpuLimits(random, { load, prices: config.prices })],
  };
}
