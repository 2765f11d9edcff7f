import type { LedgerState } from "../../core/budget/accounts.ts";
import type { Effect } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import type { Inspection } from "../../core/inspection.ts";
import type { Micros } from "../../core/units.ts";
import type { Sighting } from "../sightings.ts";

/** What may never happen, watched from outside: events in, effects out, and what the world itself sees. */
export interface Checker {
  /** Before the supervisor handles it. */
  event?(nowUs: Micros, event: SupervisorEvent): void;
  /** All that the supervisor decided on one event, before the world carries it out. */
  effects?(nowUs: Micros, effects: readonly Effect[]): void;
  sighting?(sighting: Sighting): void;
  /** After the last request and a drain. */
  end?(end: EndOfWorld): void;
}

/** What is left when all is over. */
export interface EndOfWorld {
  nowUs: Micros;
  inspection: Inspection;
  isDrained: boolean;
  /** What the next supervisor would read from the disk. */
  ledger: LedgerState;
  /** Attempts still in the engines of workers, whatever the supervisor believes. */
  running: string[];
}

/** Whether the endpoint has nothing more to say about an attempt. */
export function isEnd(
  event: SupervisorEvent,
): event is Extract<SupervisorEvent, { kind: "attempt_finished" | "attempt_failed" | "attempt_parked" }> {
  const { kind } = event;
  return kind === "attempt_finished" || kind === "attempt_failed" || kind === "attempt_parked";
}

/** Reports what must not be; `request` is the one concerned, null where there is none. */
export type Violate = (request: string | null, message: string) => void;
