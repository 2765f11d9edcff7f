import type { LedgerEntry } from "../../core/budget/ledger-entry.ts";
import type { CoreConfig } from "../../core/config.ts";
import type { Dispatch, Effect } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import { packetOf, requestOf } from "../ids.ts";
import type { Checker, Violate } from "./checker.ts";
import { servedName } from "./names.ts";
import type { WatchedPacket } from "./lifecycle.ts";

/**
 * First come, first served, among packets for one model that have not been tried before. Has to
 * look at each step before `LifecycleChecker`, which takes those that are served out of the line.
 */
export class LineChecker implements Checker {
  readonly #config: CoreConfig;
  readonly #violate: Violate;
  readonly #waiting: () => ReadonlySet<WatchedPacket>;
  readonly #models = new Map<string, string>();

  constructor(config: CoreConfig, waiting: () => ReadonlySet<WatchedPacket>, violate: Violate) {
    this.#config = config;
    this.#waiting = waiting;
    this.#violate = violate;
  }

  event(_nowUs: Micros, event: SupervisorEvent): void {
    if (event.kind !== "request_arrived") return;
    this.#models.set(event.request, servedName(event.model, this.#config));
  }

  effects(_nowUs: Micros, effects: readonly Effect[]): void {
    const left = new Set<string>();
    for (const effect of effects) {
      switch (effect.kind) {
        case "append_ledger":
          if (isClosing(effect.entry)) left.add(packetOf(effect.entry.hold));
          break;
        case "dispatch":
          this.#check(effect, left);
          left.add(packetOf(effect.attempt));
          break;
        case "request_settled":
          this.#models.delete(effect.record.request);
          break;
        default:
      }
    }
  }

  #check({ request, attempt, model }: Dispatch, left: ReadonlySet<string>): void {
    const packet = packetOf(attempt);
    for (const { id, attempts } of this.#waiting()) {
      if (id === packet) return;
      if (attempts > 0 || left.has(id) || this.#models.get(requestOf(id)) !== model) continue;
      // One that has been tried goes before those that have not.
      if (attempt.endsWith("#1"))
        this.#violate(request, `${packet} is served before ${id}, which came first`);
    }
  }
}

function isClosing({ operation }: LedgerEntry): boolean {
  return operation === "post" || operation === "void";
}
