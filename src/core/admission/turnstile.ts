import type { HeadgateError } from "../errors.ts";
import type { TurnGiven } from "../events.ts";
import type { Request } from "../request.ts";
import type { Turn } from "../turn.ts";
import type { Admission } from "./admission.ts";
import { rateError, type RateShortage } from "./rate-limits.ts";

/** A request that there would be room for. */
export interface Entrant {
  request: Request;
  /** Why it is refused all the same once it is its turn. */
  unpriced: HeadgateError | null;
}

export interface TurnstileParts {
  turn: Turn;
  admission: Admission;
  /** Whether the rates are shared with other supervisors: then whoever keeps the ledger counts. */
  isShared: () => boolean;
  letIn: (request: Request) => void;
  /** Why a request can't be let in that has waited here; null when it can. */
  tooLate: (request: Request) => HeadgateError | null;
  refuse: (request: Request, error: HeadgateError) => void;
}

/**
 * Lets requests in as the rates of their models, tenants and keys allow.
 *
 * ```
 *   ──▶ counted with no rate ─────────────────────────────────▶ let in
 *   ──▶ rates of its own: room ───────────────────────────────▶ let in
 *   ──▶ shared ──▶ waits for word from whoever counts: room ──▶ let in
 *                                                 └── none ───▶ refused
 * ```
 */
export class Turnstile {
  readonly #parts: TurnstileParts;
  readonly #waiting = new Map<string, Entrant>();

  constructor(parts: TurnstileParts) {
    this.#parts = parts;
  }

  /** Requests that wait for word. */
  get waiting(): number {
    return this.#waiting.size;
  }

  take(entrant: Entrant): void {
    const { turn, admission, isShared } = this.#parts;
    const { id, arrival, model } = entrant.request;
    const counted = admission.counted(arrival, model);
    if (counted === null) return this.#pass(entrant, null);
    if (!isShared()) return this.#pass(entrant, admission.take(counted, turn.nowUs));
    this.#waiting.set(id, entrant);
    turn.emit({ kind: "order_lease", order: { kind: "turn", request: id, ...counted } });
  }

  given({ request, shortage }: TurnGiven): void {
    const entrant = this.#waiting.get(request);
    if (entrant === undefined) return;
    this.#waiting.delete(request);
    const tooLate = this.#parts.tooLate(entrant.request);
    if (tooLate === null) this.#pass(entrant, shortage);
    else this.#parts.refuse(entrant.request, tooLate);
  }

  /** It waits no more. Returns it, if it did. */
  leave(id: string): Request | null {
    const entrant = this.#waiting.get(id);
    this.#waiting.delete(id);
    return entrant?.request ?? null;
  }

  /** Nobody that waits is let in any more. */
  close(error: HeadgateError): void {
    for (const { request } of this.#waiting.values()) this.#parts.refuse(request, error);
    this.#waiting.clear();
  }

  #pass({ request, unpriced }: Entrant, shortage: RateShortage | null): void {
    if (shortage !== null) this.#parts.refuse(request, rateError(shortage, request.model));
    else if (unpriced !== null) this.#parts.refuse(request, unpriced);
    else this.#parts.letIn(request);
  }
}
