import { shareOfPlace } from "../budget/gpu-time.ts";
import type { Price } from "../budget/money.ts";
import type { Reservations } from "../budget/reservations.ts";
import type { CoreConfig } from "../config.ts";
import type { DoubtsLeft, ReceiptsRead } from "../events.ts";
import type { Fleet } from "../fleet/fleet.ts";
import { takesCredit, type Worker } from "../fleet/worker.ts";
import { priceOf } from "../planning/plan.ts";
import type { Turn } from "../turn.ts";
import type { Micros } from "../units.ts";

/** A worker is asked for this many receipts at a time. */
const RECEIPTS_ASKED_MAX = 1_000;

/**
 * Posts in doubt, and who may know what they were for: workers may have outlived the supervisor that had them run it.
 *
 * ```
 *   a crash ──▶ posted in full, in doubt ──worker joins, or a supervisor beside this one dies──▶ its receipts are asked for
 *                                                                                        ──read──▶ adjusted
 * ```
 */
export class Doubts {
  readonly #turn: Turn;
  readonly #config: CoreConfig;
  readonly #fleet: Fleet;
  readonly #reservations: Reservations;

  constructor(parts: { turn: Turn; config: CoreConfig; fleet: Fleet; reservations: Reservations }) {
    this.#turn = parts.turn;
    this.#config = parts.config;
    this.#fleet = parts.fleet;
    this.#reservations = parts.reservations;
  }

  /** A new life of a worker has come: it may keep receipts of an earlier one. */
  ask(worker: Worker): void {
    if (!takesCredit(worker)) return;
    const attempts = this.#reservations.attemptsInDoubt;
    for (let i = 0; i < attempts.length; i += RECEIPTS_ASKED_MAX) {
      const some = attempts.slice(i, i + RECEIPTS_ASKED_MAX);
      this.#turn.emit({ kind: "ask_receipts", worker: worker.id, attempts: some });
    }
  }

  read({ worker, receipts }: ReceiptsRead): void {
    const endpoints = this.#fleet.worker(worker)?.endpoints ?? [];
    for (const receipt of receipts) {
      const endpoint = endpoints.find(({ model }) => model === receipt.model);
      const priceAt = (atUs: Micros): Price | null => {
        const price = priceOf(receipt.model, this.#config, atUs);
        return "code" in price ? null : price;
      };
      const place = endpoint === undefined ? null : shareOfPlace(endpoint);
      this.#reservations.adjust(receipt, { priceAt, place });
    }
  }

  /** Another supervisor has left posts in doubt. */
  inherit({ posts }: DoubtsLeft): void {
    this.#reservations.doubt(posts);
    for (const worker of this.#fleet.workers) this.ask(worker);
  }
}
