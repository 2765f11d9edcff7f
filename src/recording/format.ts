import type { CoreConfig } from "../core/config.ts";
import type { SupervisorEvent } from "../core/events.ts";
import type { Micros } from "../core/units.ts";

/**
 * A recording is a file of JSON lines: a header, one line an event, and, if the process ended
 * in good order, a footer.
 *
 * ```
 *   {"headgate":"0.1.0","config":{…}}
 *   [1700000000000000,{"kind":"request_arrived",…}]
 *   …
 *   {"events":4711,"effects":9120,"hash":"…"}
 * ```
 * Events carry no prompts and no answers, and neither does a recording.
 */
export interface RecordingHeader {
  /** Version of Headgate that made it; another may decide otherwise. */
  headgate: string;
  config: CoreConfig;
}

/** When the event was handled, and the event. */
export type RecordedEvent = [nowUs: Micros, event: SupervisorEvent];

export interface RecordingFooter {
  events: number;
  effects: number;
  /** Of the effects: see `EffectsHash`. */
  hash: string;
}
