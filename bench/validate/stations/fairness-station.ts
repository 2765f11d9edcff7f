import { Queue, queueLimits } from "../../../src/core/queueing/queue.ts";
import { Random } from "../../../src/core/random.ts";
import type { Packet } from "../../../src/core/request.ts";
import { labConfig } from "../../../src/simulator/lab/lab-config.ts";
import { packetOf } from "../../core-inputs.ts";
import type { Outcome } from "./outcome.ts";

const MODEL = "station";
const TENANTS = ["short", "long"] as const;
/** Of prompt and answer: short questions with long answers, and the other way round. */
const LENGTHS = { short: { prompt: 64, output: 1_024 }, long: { prompt: 1_024, output: 64 } } as const;
/** Packets of each tenant that wait at any time. */
const BACKLOG = 8;
const STEP_US = 30_000;
const INPUT_WEIGHT = 1;
const OUTPUT_WEIGHT = 2;

/**
 * Two tenants that always have packets waiting in the core's queue, and an engine that generates a token for each running
 * packet in a step and admits packets while prompt and answer fit into its KV pool. Figure of the whole run: `difference`,
 * the largest there ever was between the services of both.
 */
export function runFairnessStation(options: {
  seed: number;
  fairness: string;
  poolTokens: number;
  steps: number;
}): Outcome {
  const { seed, fairness, poolTokens, steps } = options;
  const random = new Random(seed);
  const config = labConfig();
  const queueing = { ...config.scheduling.queueing, fairness: { name: fairness, parameters: {} } };
  const queue = new Queue(queueing, queueLimits(config));
  const outputs = new Map<Packet, number>();
  const running = new Map<Packet, number>();
  const service = { short: 0, long: 0 };
  let nowUs = 0;
  let packets = 0;
  let free = poolTokens;
  let difference = 0;

  function ask(tenant: (typeof TENANTS)[number]): void {
    const { prompt, output } = LENGTHS[tenant];
    const packet = packetOf({
      id: `r${packets++}`,
      tenant,
      model: MODEL,
      promptTokens: random.between(1, prompt),
      maxTokens: output,
      nowUs,
    });
    outputs.set(packet, random.between(1, output));
    queue.add(packet, nowUs);
  }

  function admit(): void {
    for (const packet of queue.inOrder(MODEL, nowUs)) {
      const { promptTokensMax } = packet.request.arrival;
      const need = promptTokensMax + outputs.get(packet)!;
      if (need > free) return;
      free -= need;
      queue.remove(packet, nowUs);
      queue.dispatched(packet, nowUs);
      running.set(packet, 0);
      serve(packet, INPUT_WEIGHT * promptTokensMax);
      ask(tenantOf(packet));
    }
  }

  function serve(packet: Packet, tokens: number): void {
    service[tenantOf(packet)] += tokens;
    difference = Math.max(difference, Math.abs(service.short - service.long));
  }

  function generate(): void {
    for (const [packet, before] of running) {
      queue.generated(packet, 1, nowUs);
      serve(packet, OUTPUT_WEIGHT);
      running.set(packet, before + 1);
      const output = outputs.get(packet)!;
      if (before + 1 < output) continue;
      running.delete(packet);
      outputs.delete(packet);
      queue.ended(packet, nowUs);
      free += packet.request.arrival.promptTokensMax + output;
    }
  }

  for (let i = 0; i < BACKLOG; i++) for (const tenant of TENANTS) ask(tenant);
  for (let step = 0; step < steps; step++) {
    nowUs += STEP_US;
    admit();
    generate();
  }
  return { batches: [], whole: { difference }, requests: packets };
}

function tenantOf({ request }: Packet): (typeof TENANTS)[number] {
  return request.arrival.tenant as (typeof TENANTS)[number];
}
