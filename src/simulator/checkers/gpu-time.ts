import type { LedgerEntry } from "../../core/budget/ledger-entry.ts";
import type { Dispatch, Effect } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import { packetOf, requestOf } from "../ids.ts";
import type { Checker, Violate } from "./checker.ts";
import type { Knowledge } from "./knowledge.ts";

interface OpenHold {
  id: string;
  /** GPU time that it is for. */
  heldUs: number;
  /** What attempts under it have taken that are over. */
  takenUs: number;
}

interface Running {
  dispatch: Dispatch;
  sinceUs: Micros;
  hasBegun: boolean;
}

/** What ends an attempt. */
const ENDS: ReadonlySet<SupervisorEvent["kind"]> = new Set([
  "attempt_finished",
  "attempt_failed",
  "attempt_parked",
]);

/**
 * Time on GPUs, reckoned from what workers have: nobody is charged more than the places of its attempts could have given
 * while they ran, nor more than was held for it; nor is less charged.
 */
export class GpuTimeChecker implements Checker {
  readonly #knowledge: Knowledge;
  readonly #violate: Violate;
  /** By packet. */
  readonly #open = new Map<string, OpenHold>();
  readonly #running = new Map<string, Running>();
  #nowUs: Micros = 0;

  constructor(knowledge: Knowledge, violate: Violate) {
    this.#knowledge = knowledge;
    this.#violate = violate;
  }

  event(nowUs: Micros, event: SupervisorEvent): void {
    this.#nowUs = nowUs;
    if (!("attempt" in event)) return;
    const running = this.#running.get(event.attempt);
    if (running === undefined) return;
    const isTurnedAway =
      event.kind === "attempt_failed" && event.reason === "at_capacity" && !running.hasBegun;
    if (ENDS.has(event.kind)) this.#ended(event.attempt, { counts: !isTurnedAway });
    else running.hasBegun ||= event.kind !== "attempt_output" || event.tokens > 0;
  }

  effects(_nowUs: Micros, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === "append_ledger") this.#append(effect.entry);
      if (effect.kind === "cancel_attempt") this.#ended(effect.attempt, { counts: true });
      if (effect.kind === "dispatch") {
        this.#running.set(effect.attempt, { dispatch: effect, sinceUs: this.#nowUs, hasBegun: false });
      }
    }
  }

  #append({ operation, hold: id, charge, inDoubt }: LedgerEntry): void {
    const packet = packetOf(id);
    if (operation === "reserve") this.#open.set(packet, { id, heldUs: charge.gpuUs, takenUs: 0 });
    const hold = this.#open.get(packet);
    // Those of earlier lives are posted in full.
    if (hold?.id !== id) return;
    if (operation === "extend") hold.heldUs += charge.gpuUs;
    if (operation !== "post" && operation !== "void") return;
    this.#open.delete(packet);
    const expected = Math.min(hold.heldUs, hold.takenUs);
    const posted = operation === "post" ? charge.gpuUs : 0;
    if (posted === expected) return;
    const doubt = inDoubt ? " in doubt" : "";
    const facts = `${hold.takenUs} µs were taken and ${hold.heldUs} held`;
    this.#violate(requestOf(id), `hold ${id} is charged ${posted} µs of GPUs${doubt}, and ${facts}`);
  }

  #ended(attempt: string, { counts }: { counts: boolean }): void {
    const running = this.#running.get(attempt);
    if (running === undefined) return;
    this.#running.delete(attempt);
    const hold = this.#open.get(packetOf(attempt));
    if (hold === undefined) return this.#violate(requestOf(attempt), `${attempt} has run without a hold`);
    if (counts) hold.takenUs += this.#timeOf(running);
  }

  /** In whole millionths of a GPU: configurations are exact to thousandths. */
  #timeOf({ dispatch: { worker, model, choices }, sinceUs }: Running): number {
    const { config, workers } = this.#knowledge;
    const remote = config.remotes.find(({ name }) => name === worker);
    const served = workers.get(worker)?.models.find((each) => each.model === model);
    const { gpus = 0 } = remote ?? served ?? {};
    // A remote mixes its choices itself, in one place.
    const places = BigInt(remote === undefined ? choices : 1) * BigInt(Math.round(gpus * 1e6));
    const taken = BigInt(this.#nowUs - sinceUs) * places;
    const per = 1_000_000n * BigInt(remote?.concurrencyMax ?? served?.slots ?? 1);
    return Number((taken + per - 1n) / per);
  }
}
