import type { TimerHandle } from "../deadlines.ts";
import type { EndpointLoad } from "../placement/signals/load.ts";
import type { Worker } from "./worker.ts";

/** One model on one worker: a place a packet can be sent to. */
export interface Endpoint {
  /** `worker/model`. */
  readonly id: string;
  readonly worker: Worker;
  readonly model: string;
  slots: number;
  /** See `ServedModel`. */
  gpus?: number;
  contextTokens: number;
  kvBytesPerToken: number;
  /** See `ServedModel`. */
  modelHash?: string | null;
  stateFingerprint?: string | null;
  /** Slots that this supervisor's attempts take here. */
  inFlight: number;
  /** Set while it is left alone because it has turned an attempt away. */
  refusal: TimerHandle | null;
  /** How many it is sent at most after it has turned one away: what it had, and one more for each that ends. */
  ceiling: number;
  /** Counts dispatches over the whole fleet; breaks ties in favour of who waited longest. */
  pickedAt: number;
  /** What has been learnt of it. */
  readonly load: EndpointLoad;
  /** See `dispatching/breakers.ts`. */
  readonly breaker: Breaker;
}

export interface Breaker {
  state: "closed" | "open" | "half_open";
  /** In a row. */
  failures: number;
  /** Since it has been half-open. */
  successes: number;
  timer: TimerHandle | null;
}

export function newBreaker(): Breaker {
  return { state: "closed", failures: 0, successes: 0, timer: null };
}

/** Whether anything at all could be sent there now. */
export function hasFreeSlot(endpoint: Endpoint): boolean {
  return endpoint.inFlight < endpoint.slots && !isRefusing(endpoint);
}

/** Whether it is not to be sent anything for now, however many slots it says it has. */
export function isRefusing({ refusal, inFlight, ceiling, breaker }: Endpoint): boolean {
  if (refusal !== null || inFlight >= ceiling) return true;
  return breaker.state === "open" || (breaker.state === "half_open" && inFlight > 0);
}
