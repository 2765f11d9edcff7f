import { Random } from "../../../src/core/random.ts";
import { schedulingOf } from "../../../src/core/default-scheduling.ts";
import { type Micros, MICROS_PER_SECOND, seconds } from "../../../src/core/units.ts";
import type { EngineProfile } from "../../../src/simulator/engine-profiles/engine-profile.ts";
import type { Experiment, RequestResult } from "../../../src/simulator/lab/experiment.ts";
import { runExperiment } from "../../../src/simulator/lab/run-experiment.ts";
import { mean } from "../../../src/simulator/statistics/moments.ts";
import type { Workload, WorkloadRequest } from "../../../src/simulator/workloads/workload.ts";
import { exactTimes } from "./exact-line.ts";
import type { Job } from "./job.ts";
import { type LawName, lawNamed } from "./law.ts";
import type { Outcome } from "./outcome.ts";
import { BATCHES, Tally, WARM_UP_SHARE } from "./tally.ts";

export interface SupervisorStationOptions {
  seed: number;
  servers: number;
  /** Arrivals a second of each class, the most urgent first. */
  rates: readonly number[];
  law: LawName;
  /** Jobs that are measured. */
  requests: number;
}

/** As fine as service times are told apart. */
const TOKEN_US = 10;
const WITHOUT_END = 1e12;
/** What is no service takes next to no time: a message, and a group of the ledger. */
const DELAY_US = 1;
/** Seldom, for nobody needs to hear of load that all comes from here; before a worker is thought to be stale. */
const HEARTBEAT_US = seconds(20);

/** A server: one step reads one prompt, which takes as long as the prompt says, and gives the only token of its answer. */
const SERVER: EngineProfile = {
  name: "server",
  source: "",
  prefillUs: [0, TOKEN_US, 0],
  decodeUs: [0, 0, 0],
  kvTokens: WITHOUT_END,
  blockTokens: WITHOUT_END / 1_000,
  sequencesMax: 1,
  contextTokens: WITHOUT_END,
  batching: { kind: "mixed", tokensPerStepMax: WITHOUT_END },
  prefixCache: false,
  startUs: 0,
  bytesPerKvToken: 0,
};

/**
 * The systems of `runLineStation` as requests to all that there is: clients, the whole supervisor with its ledger and its
 * queue, whose bands are the classes, a network, and workers with one slot each, all checkers on. Begins empty.
 *
 * The figures are the same, where all that is no service is waiting; and of the whole run `apart`, how far a request's time is
 * on average from what it is in the recursion that defines the system, with the same arrivals and services. In seconds.
 */
export function runSupervisorStation(options: SupervisorStationOptions): Outcome {
  const random = new Random(options.seed);
  const workload = drawWorkload(options, random);
  const { requests, violations } = runExperiment(experimentOf(options, workload));
  const [violation] = violations;
  if (violation !== undefined) throw new Error(`${violation.checker}: ${violation.message}`);
  const visits = visitsOf(requests);
  const { batches, whole, requests: count } = outcomeOf(visits, options, random);
  const exact = exactTimes(
    visits.map(({ job }) => job),
    { servers: options.servers, kinds: options.rates.length },
  );
  const apartUs = visits.map(({ job, endUs }, i) => Math.abs(endUs - job.arrivedUs - exact[i]!));
  return { batches, whole: { ...whole, apart: mean(apartUs) / MICROS_PER_SECOND }, requests: count };
}

function drawWorkload(
  { rates, law, requests: measured }: SupervisorStationOptions,
  random: Random,
): Workload {
  const rate = rates.reduce((sum, each) => sum + each);
  const service = lawNamed(law);
  const requests: WorkloadRequest[] = [];
  const count = BATCHES * Math.ceil(measured / BATCHES) + Math.floor(measured * WARM_UP_SHARE);
  for (let atUs = 0; requests.length < count;) {
    atUs += random.exponential(MICROS_PER_SECOND / rate);
    const kind = rates.length > 1 && random.fraction() * rate >= rates[0]! ? 1 : 0;
    const promptTokens = Math.max(1, Math.round((service(random) * MICROS_PER_SECOND) / TOKEN_US));
    const lengths = { promptTokens, outputTokens: 1, maxTokens: 1, blocks: [] };
    const asked = { model: null, session: null, priority: bandOf(kind), slo: null };
    requests.push({ atUs: Math.round(atUs), tenant: "tenant", ...lengths, ...asked });
  }
  return { name: "jobs", source: "drawn", blockTokens: 1, requests };
}

function experimentOf({ seed, servers, rates }: SupervisorStationOptions, workload: Workload): Experiment {
  const scheduling = schedulingOf("least-request");
  const usual = scheduling.queueing.bands[0]!;
  const bands = rates.map((_, kind) => ({ ...usual, name: bandOf(kind) }));
  return {
    seed,
    fleet: [{ profile: SERVER, count: servers }],
    workload,
    config: { scheduling: { ...scheduling, queueing: { ...scheduling.queueing, bands } } },
    networkDelayUs: DELAY_US,
    ledgerUs: DELAY_US,
    heartbeatUs: HEARTBEAT_US,
  };
}

function bandOf(kind: number): string {
  return `band-${kind}`;
}

/** A request as a job, and when its client had the answer. */
interface Visit {
  job: Job;
  endUs: Micros;
}

function visitsOf(requests: readonly RequestResult[]): Visit[] {
  let lastUs = 0;
  return requests.map(({ request, arrivedUs, endUs, outcome, error }) => {
    if (outcome !== "completed") throw new Error(`a request was not completed: ${error}`);
    const kind = request.priority === bandOf(0) ? 0 : 1;
    const serviceUs = request.promptTokens * TOKEN_US;
    const job = { kind, arrivedUs, serviceUs, gapUs: arrivedUs - lastUs, isMeasured: true, packet: null };
    lastUs = arrivedUs;
    return { job, endUs };
  });
}

/** Tells what happened in the order in which it did. */
function outcomeOf(visits: readonly Visit[], options: SupervisorStationOptions, random: Random): Outcome {
  const tally = new Tally({ ...options, random, warmUpShare: WARM_UP_SHARE });
  let jobs = 0;
  const happened = visits.flatMap(({ job, endUs }) => {
    const startUs = endUs - job.serviceUs;
    return [
      {
        atUs: job.arrivedUs,
        tell: (): void => {
          tally.arrived(job, false);
          tally.changed(++jobs, job.arrivedUs);
        },
      },
      { atUs: startUs, tell: (): void => tally.started(job, startUs) },
      { atUs: endUs, tell: (): void => tally.changed(--jobs, endUs) },
    ];
  });
  for (const { tell } of happened.sort((a, b) => a.atUs - b.atUs)) tell();
  return tally.outcome();
}
