import { basename } from "node:path";
import { Random } from "../../core/random.ts";
import { seconds } from "../../core/units.ts";
import { WorkloadProblem } from "./problem.ts";
import { azure } from "./readers/azure.ts";
import { mooncake } from "./readers/mooncake.ts";
import { servegen } from "./readers/servegen.ts";
import type { TraceReader } from "./readers/trace-reader.ts";
import { vtcResults } from "./readers/vtc-results.ts";
import { vtcTrace } from "./readers/vtc-trace.ts";
import type { Workload, WorkloadRequest } from "./workload.ts";

const READERS: readonly TraceReader[] = [mooncake, azure, vtcTrace, vtcResults, servegen];

export const WORKLOAD_FORMATS: readonly string[] = READERS.map(({ format }) => format);

/** What one workload holds at most, in memory. */
const REQUESTS_MAX = 5_000_000;

export interface ReadOptions {
  /** The part of the trace that counts, in seconds from its first request (ServeGen: from midnight). */
  fromSeconds?: number;
  untilSeconds?: number;
  /** Multiplies the rate of arrivals by shortening all gaps. */
  rate?: number;
  /** Keeps each request with this chance, in (0, 1]. */
  share?: number;
  /** Ends with that many. */
  requestsMax?: number;
  /** Clients name the length of the answer as their ceiling; otherwise they name none. */
  isBounded?: boolean;
  /** The column of a comma-separated file that names the tenant. */
  tenantColumn?: string;
  /** Of what is left to chance: what `share` keeps, and ServeGen's arrivals and lengths. */
  seed?: number;
}

/**
 * Reads a trace of one of `WORKLOAD_FORMATS`. Time counts from the beginning of the part that is read; an answer of no
 * tokens counts as one. Throws WorkloadProblem, with the line, for what is wrong in the file or with the options.
 */
export async function readWorkload(
  format: string,
  path: string,
  options: ReadOptions = {},
): Promise<Workload> {
  const reader = READERS.find((each) => each.format === format);
  if (reader === undefined) {
    throw new WorkloadProblem(`"${format}" is no format of workloads: one of ${WORKLOAD_FORMATS.join(", ")}`);
  }
  const { share = 1, rate = 1, fromSeconds = 0, untilSeconds = Infinity, requestsMax = Infinity } = options;
  checkOptions({ share, rate, fromSeconds, untilSeconds, requestsMax });
  const { isBounded = false, seed = 1, tenantColumn = null } = options;
  const random = new Random(seed);
  const chance = random.fork();
  const untilUs = untilSeconds === Infinity ? Infinity : seconds(untilSeconds);
  const fromUs = seconds(fromSeconds);
  const requests: WorkloadRequest[] = [];
  // A trace of laws begins at midnight, one of arrivals with the first of them.
  let originUs: number | null = reader === servegen ? 0 : null;
  let lastUs = -Infinity;
  for await (const record of reader.read(path, { random, tenantColumn, untilUs })) {
    if (record.atUs < lastUs)
      throw new WorkloadProblem(`${path}: request ${requests.length + 1} arrives before the one above it`);
    lastUs = record.atUs;
    originUs ??= record.atUs;
    const atUs = record.atUs - originUs;
    if (atUs >= untilUs || requests.length >= requestsMax) break;
    if (atUs < fromUs || !chance.chance(share)) continue;
    if (requests.length === REQUESTS_MAX) {
      throw new WorkloadProblem(
        `${path} has more than ${REQUESTS_MAX} requests: read a part or a share of it`,
      );
    }
    const { promptTokens, tenant, blocks } = record;
    const outputTokens = Math.max(1, record.outputTokens);
    const maxTokens = isBounded ? outputTokens : null;
    requests.push({
      atUs: Math.round((atUs - fromUs) / rate),
      tenant,
      model: null,
      promptTokens,
      outputTokens,
      maxTokens,
      blocks,
      session: null,
      priority: null,
      slo: null,
    });
  }
  if (requests.length === 0)
    throw new WorkloadProblem(`${path} has no request in the part that was asked for`);
  return { name: basename(path), source: reader.source, blockTokens: reader.blockTokens, requests };
}

function checkOptions(
  options: Required<Pick<ReadOptions, "share" | "rate" | "fromSeconds" | "untilSeconds" | "requestsMax">>,
): void {
  const { share, rate, fromSeconds, untilSeconds, requestsMax } = options;
  if (!(share > 0 && share <= 1))
    throw new WorkloadProblem(`share must be above 0 and at most 1, not ${share}`);
  if (!(rate > 0 && rate < Infinity)) throw new WorkloadProblem(`rate must be above 0, not ${rate}`);
  if (!(fromSeconds >= 0 && fromSeconds < untilSeconds)) {
    throw new WorkloadProblem(`from ${fromSeconds} until ${untilSeconds} seconds is no stretch of time`);
  }
  if (!(requestsMax >= 1))
    throw new WorkloadProblem(`at least one request has to be read, not ${requestsMax}`);
}
