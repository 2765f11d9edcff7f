import type { Effect } from "../../core/effects.ts";
import type { SettledRecord } from "../../core/settling/record.ts";
import { type Micros, MICROS_PER_SECOND } from "../../core/units.ts";
import { requestOf } from "../ids.ts";
import type { WorkloadRequest } from "../workloads/workload.ts";
import type { RequestResult } from "./experiment.ts";
import type { WorkloadListener } from "./workload-clients.ts";

/** What a token of output counts for, where one of input counts for 1. */
const OUTPUT_WEIGHT = 2;

/** Collects what became of each request, and who was served how much when. */
export class Results implements WorkloadListener {
  readonly #originUs: Micros;
  readonly #results: RequestResult[] = [];
  readonly #open = new Map<string, RequestResult>();
  readonly #tenants = new Map<string, string>();
  readonly #service = new Map<string, number[]>();
  readonly #onEnded: () => void;
  #nowUs: Micros;
  #ended = 0;
  #endUs: Micros = 0;

  constructor(options: { originUs: Micros; onEnded: () => void }) {
    this.#originUs = options.originUs;
    this.#nowUs = options.originUs;
    this.#onEnded = options.onEnded;
  }

  /** In the order in which they were sent. */
  get requests(): RequestResult[] {
    return this.#results;
  }

  /** Requests that have ended. */
  get ended(): number {
    return this.#ended;
  }

  /** When the last one did, from the beginning of the experiment. */
  get endUs(): Micros {
    return this.#endUs;
  }

  /** By tenant and second; all of the same length. */
  get service(): Map<string, Float64Array> {
    const length = Math.max(0, ...Array.from(this.#service.values(), (seconds) => seconds.length));
    return new Map(Array.from(this.#service, ([tenant, served]) => [tenant, padded(served, length)]));
  }

  at(nowUs: Micros): void {
    this.#nowUs = nowUs;
  }

  sent(id: string, request: WorkloadRequest): void {
    const result: RequestResult = {
      request,
      arrivedUs: 0,
      dispatchedUs: null,
      firstTokenUs: null,
      endUs: 0,
      outputTokens: 0,
      cachedTokens: 0,
      worker: null,
      attempts: 0,
      outcome: "failed",
      error: null,
    };
    this.#results.push(result);
    this.#open.set(id, result);
    this.#tenants.set(id, request.tenant);
    if (!this.#service.has(request.tenant)) this.#service.set(request.tenant, []);
  }

  lost(id: string): void {
    const result = this.#open.get(id);
    if (result === undefined) return;
    result.endUs = this.#nowUs - this.#originUs;
    result.error = "supervisor_gone";
    this.#end(id, result);
  }

  effects(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind !== "dispatch") continue;
      const result = this.#open.get(effect.request);
      if (result !== undefined) result.dispatchedUs ??= this.#nowUs - this.#originUs;
    }
  }

  settled(record: SettledRecord): void {
    const {
      request: id,
      outcome,
      code,
      reason,
      arrivedUs,
      ttftUs,
      totalUs,
      usage,
      workers,
      attempts,
    } = record;
    const result = this.#open.get(id);
    if (result === undefined) return;
    result.arrivedUs = arrivedUs - this.#originUs;
    result.firstTokenUs = ttftUs === null ? null : result.arrivedUs + ttftUs;
    result.endUs = result.arrivedUs + totalUs;
    result.outputTokens = usage.completionTokens;
    result.cachedTokens = usage.cachedTokens;
    result.worker = workers.at(-1) ?? null;
    result.attempts = attempts;
    result.outcome = outcome;
    result.error = code === null || reason === null ? code : `${code}/${reason}`;
    this.#end(id, result);
  }

  /** Tokens were read or generated. */
  served(attempt: string, atUs: Micros, { prompt, output }: { prompt: number; output: number }): void {
    const seconds = this.#service.get(this.#tenants.get(requestOf(attempt))!)!;
    const second = Math.floor((atUs - this.#originUs) / MICROS_PER_SECOND);
    while (seconds.length <= second) seconds.push(0);
    seconds[second]! += prompt + OUTPUT_WEIGHT * output;
  }

  #end(id: string, result: RequestResult): void {
    this.#open.delete(id);
    this.#ended++;
    this.#endUs = Math.max(this.#endUs, result.endUs);
    this.#onEnded();
  }
}

function padded(values: readonly number[], length: number): Float64Array {
  const array = new Float64Array(length);
  array.set(values);
  return array;
}
