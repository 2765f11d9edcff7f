import type { Effect } from "../core/effects.ts";
import type { SupervisorEvent } from "../core/events.ts";
import type { Micros } from "../core/units.ts";
import { requestOf } from "./ids.ts";

const LINES_MAX = 40;

/** The last events and effects about one request, or about everything where none is named. */
export class Trace {
  readonly #request: string | null;
  readonly #startUs: Micros;
  readonly #lines: string[] = [];
  #nowUs: Micros = 0;

  constructor(options: { request: string | null; startUs: Micros }) {
    this.#request = options.request;
    this.#startUs = options.startUs;
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  /** `who` is it that it happens to, where there are several. */
  event(nowUs: Micros, event: SupervisorEvent, who = ""): void {
    this.#nowUs = nowUs;
    this.#add(`${who} →`.trimStart(), event);
  }

  effects(effects: readonly Effect[], who = ""): void {
    for (const effect of effects) this.#add(`${who} ←`.trimStart(), effect);
  }

  #add(arrow: string, item: SupervisorEvent | Effect): void {
    if (this.#request !== null && subjectOf(item) !== this.#request) return;
    const seconds = ((this.#nowUs - this.#startUs) / 1e6).toFixed(6).padStart(11);
    this.#lines.push(`${seconds} ${arrow} ${JSON.stringify(item)}`);
    if (this.#lines.length > LINES_MAX) this.#lines.shift();
  }
}

/** The request that an event or an effect is about; null for those about workers, time or the process. */
function subjectOf(item: SupervisorEvent | Effect): string | null {
  if ("request" in item) return item.request;
  if ("attempt" in item) return requestOf(item.attempt);
  if (item.kind === "append_ledger") return requestOf(item.entry.hold);
  if (item.kind === "request_settled") return item.record.request;
  return null;
}
