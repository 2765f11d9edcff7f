import { Random } from "../../../src/core/random.ts";
import { type Micros, seconds } from "../../../src/core/units.ts";
import type { EngineProfile } from "../../../src/simulator/engine-profiles/engine-profile.ts";
import { stepUs } from "../../../src/simulator/engine/step-time.ts";
import { readWorkload } from "../../../src/simulator/workloads/read-workload.ts";
import type { Workload, WorkloadRequest } from "../../../src/simulator/workloads/workload.ts";

/** A trace, or its beginning. */
export interface TracePart {
  path: string;
  requests: number;
}

/**
 * The conversation trace knows time to 3 s only, and has ten requests or so at each such moment. Every request comes at
 * a random time within 3 s of its own, so that seeds differ, and engines don't get in one instant what came in three
 * seconds.
 */
const JITTER_US = seconds(3);

/** A request hopes for its first token within this much more than an idle engine takes to read its prompt. */
export const WAIT_US = seconds(2);
export const TPOT_US = seconds(0.05);

let last: { key: string; workload: Workload } | null = null;

/** A Mooncake trace under a seed, with hopes, and without what is too long for the engine. The last one is kept. */
export async function readTrace(
  { path, requests }: TracePart,
  { seed, engine }: { seed: number; engine: EngineProfile },
): Promise<Workload> {
  const key = `${path} ${requests} ${seed}`;
  if (last?.key !== key) last = { key, workload: await shaken(path, { requests, seed, engine }) };
  return last.workload;
}

async function shaken(
  path: string,
  { requests: requestsMax, seed, engine }: { requests: number; seed: number; engine: EngineProfile },
): Promise<Workload> {
  const workload = await readWorkload("mooncake", path, { requestsMax });
  const random = new Random(seed);
  const requests = workload.requests
    .map((request) => ({
      ...request,
      atUs: request.atUs + random.between(0, JITTER_US - 1),
      slo: { ttftUs: WAIT_US + readingUs(engine, request), tpotUs: TPOT_US },
    }))
    .filter(({ promptTokens, outputTokens }) => promptTokens + outputTokens <= engine.contextTokens)
    .sort((a, b) => a.atUs - b.atUs);
  return { ...workload, requests };
}

function readingUs(engine: EngineProfile, { promptTokens }: WorkloadRequest): Micros {
  return stepUs(engine, { batch: 0, contextTokens: 0, chunks: [{ from: 0, to: promptTokens }] });
}
