import type { CoreConfig } from "../../core/config.ts";
import type { Inspection } from "../../core/inspection.ts";
import { LEASE_TTL_US } from "../../core/leasing/lease.ts";
import type { WorkerSpec } from "../scenario.ts";
import { AdmissionsChecker } from "./admissions.ts";
import { AttemptsChecker } from "./attempts.ts";
import { BreakersChecker } from "./breakers.ts";
import { CalmChecker } from "./calm.ts";
import { CapacityChecker } from "./capacity.ts";
import type { Checker, Violate } from "./checker.ts";
import { EndingsChecker } from "./endings.ts";
import { GpuTimeChecker } from "./gpu-time.ts";
import { HeartbeatsChecker } from "./heartbeats.ts";
import { HedgesChecker } from "./hedges.ts";
import { HoldsChecker } from "./holds.ts";
import { Knowledge } from "./knowledge.ts";
import { LifecycleChecker, type WatchedPacket } from "./lifecycle.ts";
import { LittleChecker } from "./little.ts";
import { OvertakingChecker } from "./overtaking.ts";
import { PreemptionsChecker } from "./preemptions.ts";
import { SilenceChecker } from "./silence.ts";
import { SlowClientsChecker } from "./slow-clients.ts";
import { SpreadChecker } from "./spread.ts";
import { StatesChecker } from "./states.ts";
import { StreamsChecker } from "./streams.ts";
import { WaitingChecker } from "./waiting.ts";

export interface WatchedWorld {
  config: CoreConfig;
  workers: readonly WorkerSpec[];
  isCalm: boolean;
  inspect: () => Inspection;
}

/** Where what checkers find goes. */
export interface Findings {
  as: (checker: string) => Violate;
  /** Transitions of the lifecycle that were taken, as `from→to`. */
  transitions: Set<string>;
  happened: (what: string) => void;
}

/** Those who watch one life of a supervisor, whatever becomes of its money. */
export interface LifeWatch {
  knowledge: Knowledge;
  /** Packets that wait for their budget. */
  unfunded: () => ReadonlySet<WatchedPacket>;
  checkers: readonly Checker[];
}

/** `isReplica`: others share its limits and rates, so that it has to ask what is left of them. */
export function watchLife(world: WatchedWorld, findings: Findings, { isReplica = false } = {}): LifeWatch {
  const { config, workers, isCalm, inspect } = world;
  const { as, transitions, happened } = findings;
  const knowledge = new Knowledge(config, workers);
  // Until one that does not answer is taken for dead: once for a slice that is to be opened there, and once for a lease.
  const leaseWaitUs = isReplica ? 2 * LEASE_TTL_US : 0;
  const lifecycle = new LifecycleChecker({ knowledge, leaseWaitUs }, transitions, as("lifecycle"));
  const attempts = new AttemptsChecker(knowledge, as("attempts"));
  const waiting = (): ReadonlySet<WatchedPacket> => lifecycle.waiting;
  const checkers: Checker[] = [
    new EndingsChecker(config, as("endings")),
    new StreamsChecker(as("streams")),
    new HoldsChecker(config, as("holds")),
    new OvertakingChecker({ knowledge, waiting }, as("overtaking")),
    new AdmissionsChecker({ knowledge, waiting, hasRates: !isReplica }, as("admissions")),
    new PreemptionsChecker({ knowledge, waiting }, as("preemptions")),
    lifecycle,
    attempts,
    new SilenceChecker(config, as("silence")),
    new CapacityChecker({ knowledge, attempts, inspect, waiting }, as("capacity")),
    new SlowClientsChecker(config, as("slow-clients")),
    new HeartbeatsChecker(config, as("heartbeats")),
    new HedgesChecker(knowledge, as("hedges")),
    new BreakersChecker({ knowledge, inspect, happened }, as("breakers")),
    new StatesChecker(knowledge, as("states")),
    new LittleChecker(as("little")),
    new GpuTimeChecker(knowledge, as("gpu-time")),
  ];
  if (knowledge.isPlain) {
    checkers.push(new WaitingChecker({ knowledge, attempts, inspect, waiting }, as("waiting")));
  }
  if (isCalm) checkers.push(new CalmChecker(as("calm")));
  if (isCalm && isSpread(world)) checkers.push(new SpreadChecker({ knowledge, inspect }, as("spread")));
  return { knowledge, unfunded: () => lifecycle.unfunded, checkers };
}

/** More than any session takes up. */
const PLENTY_BYTES = 1e12;

/** Whether nothing but the number of requests decides where they go. */
function isSpread({ config, workers }: WatchedWorld): boolean {
  const isPlentiful = workers.every(({ limits, engine, role }) => {
    return role === "both" && limits.kvBytesMax >= PLENTY_BYTES && engine.profile.admission !== "peak";
  });
  return isPlentiful && config.scheduling.placement.profile === "least-request";
}
