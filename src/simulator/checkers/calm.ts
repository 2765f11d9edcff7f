import type { Effect } from "../../core/effects.ts";
import type { Micros } from "../../core/units.ts";
import type { Checker, Violate } from "./checker.ts";

/** Where nothing fails, nobody is told that something has. */
export class CalmChecker implements Checker {
  readonly #violate: Violate;

  constructor(violate: Violate) {
    this.#violate = violate;
  }

  effects(_nowUs: Micros, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind !== "request_settled") continue;
      const { request, code, outcome } = effect.record;
      if (code === "upstream_failed" || code === "internal" || outcome === "dropped") {
        this.#violate(request, `ends as ${code ?? outcome} where nothing fails`);
      }
    }
  }
}
