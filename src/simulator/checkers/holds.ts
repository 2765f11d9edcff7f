import type { LedgerEntry } from "../../core/budget/ledger-entry.ts";
import type { Dispatch, Effect, Relay } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import type { Charge } from "../../core/vocabulary.ts";
import { packetOf, requestOf } from "../ids.ts";
import type { Checker, Violate } from "./checker.ts";

interface OpenHold {
  id: string;
  sequence: number;
  worstCase: Charge;
  /** The attempt that runs under it; null before, between and after attempts. */
  attempt: string | null;
  /** What the last attempt has used, as the endpoint has said and as was relayed. */
  inputTokens: number;
  outputTokens: number;
}

/**
 * Replays the ledger from its entries alone: each hold is closed once, nothing is dispatched
 * before its hold is durable, nothing is relayed that no hold covers, exactly what was used
 * is charged, each request counts once, and in the end nothing is held.
 */
export class HoldsChecker implements Checker {
  readonly #violate: Violate;
  /** By packet: one has at most one hold at a time. */
  readonly #open = new Map<string, OpenHold>();
  readonly #held: Charge = { inputTokens: 0, outputTokens: 0, requests: 0 };
  /** Requests charged so far, of each request that is not over. */
  readonly #counted = new Map<string, number>();
  #sequence = 0;
  #durable = 0;

  constructor(violate: Violate) {
    this.#violate = violate;
  }

  event(_nowUs: Micros, event: SupervisorEvent): void {
    switch (event.kind) {
      case "ledger_durable":
        this.#durable = Math.max(this.#durable, event.through);
        return;
      case "attempt_started": {
        const hold = this.#holdOf(event.attempt);
        if (hold !== undefined) hold.inputTokens = event.promptTokens;
        return;
      }
      case "attempt_finished": {
        const hold = this.#holdOf(event.attempt);
        if (hold === undefined) return;
        hold.inputTokens = event.usage.promptTokens;
        hold.outputTokens = event.usage.completionTokens;
        return;
      }
      default:
    }
  }

  effects(_nowUs: Micros, effects: readonly Effect[]): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case "append_ledger":
          this.#append(effect.entry);
          break;
        case "dispatch":
          this.#dispatch(effect);
          break;
        case "relay":
          this.#relay(effect);
          break;
        case "cancel_attempt": {
          const hold = this.#holdOf(effect.attempt);
          if (hold !== undefined) hold.attempt = null;
          break;
        }
        case "request_settled":
          this.#counted.delete(effect.record.request);
          break;
        default:
      }
    }
  }

  end(): void {
    for (const { id } of this.#open.values()) this.#violate(requestOf(id), `hold ${id} is still open`);
    const { inputTokens, outputTokens, requests } = this.#held;
    if (inputTokens !== 0 || outputTokens !== 0 || requests !== 0) {
      this.#violate(null, `the ledger still holds ${JSON.stringify(this.#held)}`);
    }
  }

  #append(entry: LedgerEntry): void {
    const request = requestOf(entry.hold);
    if (entry.sequence !== ++this.#sequence) {
      this.#violate(request, `ledger entry ${entry.sequence} follows ${this.#sequence - 1}`);
    }
    if (entry.operation === "reserve") this.#reserve(entry);
    else this.#close(entry);
  }

  #reserve({ hold: id, sequence, charge }: LedgerEntry): void {
    const packet = packetOf(id);
    const before = this.#open.get(packet);
    if (before !== undefined) this.#violate(requestOf(id), `hold ${id} is made while ${before.id} is open`);
    this.#open.set(packet, {
      id,
      sequence,
      worstCase: charge,
      attempt: null,
      inputTokens: 0,
      outputTokens: 0,
    });
    add(this.#held, charge, 1);
  }

  #close(entry: LedgerEntry): void {
    const { hold: id, operation } = entry;
    const request = requestOf(id);
    const hold = this.#open.get(packetOf(id));
    if (hold?.id !== id) return this.#violate(request, `${operation} of hold ${id}, which is not open`);
    this.#open.delete(packetOf(id));
    add(this.#held, hold.worstCase, -1);
    this.#checkCharge(hold, entry);
  }

  #checkCharge(
    { id, worstCase, inputTokens, outputTokens }: OpenHold,
    { operation, charge, overage }: LedgerEntry,
  ): void {
    const request = requestOf(id);
    if (operation === "void") {
      if (inputTokens + outputTokens > 0) this.#violate(request, `hold ${id} is voided after use`);
      return;
    }
    if (charge.inputTokens !== inputTokens || charge.outputTokens !== outputTokens) {
      const charged = `${charge.inputTokens} + ${charge.outputTokens}`;
      this.#violate(request, `hold ${id} is charged ${charged} tokens for ${inputTokens} + ${outputTokens}`);
    }
    const counted = (this.#counted.get(request) ?? 0) + charge.requests;
    this.#counted.set(request, counted);
    if (counted > 1) this.#violate(request, `is charged as ${counted} requests`);
    const isOver =
      charge.inputTokens > worstCase.inputTokens ||
      charge.outputTokens > worstCase.outputTokens ||
      charge.requests > worstCase.requests;
    if (isOver !== (overage !== null)) {
      this.#violate(request, `hold ${id} is exceeded without saying so, or says so wrongly`);
    }
  }

  #dispatch({ request, attempt }: Dispatch): void {
    const hold = this.#open.get(packetOf(attempt));
    if (hold === undefined) return this.#violate(request, `${attempt} is dispatched without a hold`);
    if (hold.sequence > this.#durable) {
      this.#violate(request, `${attempt} is dispatched before its hold is durable`);
    }
    hold.attempt = attempt;
    hold.inputTokens = 0;
    hold.outputTokens = 0;
  }

  #relay({ request, attempt, tokens }: Relay): void {
    const hold = this.#holdOf(attempt);
    if (hold === undefined) return this.#violate(request, `tokens of ${attempt} are relayed without a hold`);
    hold.outputTokens += tokens;
    if (hold.outputTokens > hold.worstCase.outputTokens) {
      this.#violate(
        request,
        `${hold.outputTokens} tokens are relayed on hold ${hold.id}, which covers fewer`,
      );
    }
  }

  /** The hold that an attempt runs under; undefined once the attempt is over. */
  #holdOf(attempt: string): OpenHold | undefined {
    const hold = this.#open.get(packetOf(attempt));
    return hold?.attempt === attempt ? hold : undefined;
  }
}

function add(sum: Charge, charge: Charge, sign: 1 | -1): void {
  sum.inputTokens += sign * charge.inputTokens;
  sum.outputTokens += sign * charge.outputTokens;
  sum.requests += sign * charge.requests;
}
