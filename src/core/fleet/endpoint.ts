import type { TimerHandle } from "../deadlines.ts";
import type { Worker } from "./worker.ts";

/** One model on one worker: a place a packet can be sent to. */
export interface Endpoint {
  /** `worker/model`. */
  readonly id: string;
  readonly worker: Worker;
  readonly model: string;
  slots: number;
  contextTokens: number;
  kvBytesPerToken: number;
  /** Packets this supervisor has running here. */
  inFlight: number;
  /** Set while it is left alone because it has turned an attempt away. */
  refusal: TimerHandle | null;
  /** Counts dispatches over the whole fleet; breaks ties in favour of who waited longest. */
  pickedAt: number;
}
