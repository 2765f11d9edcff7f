import type { CoreConfig } from "../../core/config.ts";
import type { Effect } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import type { Checker, Violate } from "./checker.ts";

/** Clients are dropped when they have not read for as long as they may, and neither later nor earlier. */
export class SlowClientsChecker implements Checker {
  readonly #config: CoreConfig;
  readonly #violate: Violate;
  readonly #blockedSince = new Map<string, Micros>();

  constructor(config: CoreConfig, violate: Violate) {
    this.#config = config;
    this.#violate = violate;
  }

  event(nowUs: Micros, event: SupervisorEvent): void {
    if (event.kind === "client_blocked") this.#blockedSince.set(event.request, nowUs);
    if (event.kind === "client_drained") this.#release(nowUs, event.request);
  }

  effects(nowUs: Micros, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === "drop_client") this.#dropped(nowUs, effect.request);
      if (effect.kind === "request_settled") this.#release(nowUs, effect.record.request);
    }
  }

  #dropped(nowUs: Micros, request: string): void {
    const sinceUs = this.#blockedSince.get(request);
    if (sinceUs === undefined) return this.#violate(request, "is dropped while its client reads");
    if (nowUs - sinceUs < this.#config.timeouts.slowClientUs) {
      this.#violate(request, `is dropped after ${(nowUs - sinceUs) / 1e6} s already`);
    }
  }

  #release(nowUs: Micros, request: string): void {
    const sinceUs = this.#blockedSince.get(request);
    if (sinceUs === undefined) return;
    this.#blockedSince.delete(request);
    if (nowUs - sinceUs > this.#config.timeouts.slowClientUs) {
      this.#violate(request, `kept a client that read nothing for ${(nowUs - sinceUs) / 1e6} s`);
    }
  }
}
