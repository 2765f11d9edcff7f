import { noCapacity } from "../admission/admission.ts";
import type { CoreConfig } from "../config.ts";
import type { TimerHandle } from "../deadlines.ts";
import type { HeadgateError } from "../errors.ts";
import type { SliceAsked, SliceOpening, SliceTold } from "../events.ts";
import type { Turn } from "../turn.ts";
import type { LedgerEntry } from "./ledger-entry.ts";
import { isAtOrBelow } from "./paths.ts";
import { budgetError } from "./refusal.ts";
import type { Reservations } from "./reservations.ts";
import { SliceAnswers } from "./slice-answers.ts";
import {
  expiryOf,
  refusalOf,
  releasedView,
  type SliceGround,
  unknown,
  viewAt,
  viewOf,
} from "./slice-rules.ts";
import type { OpenSlice } from "./slices.ts";

/** Names of the bands, the most urgent first, and which of them takes what names none. */
export interface Bands {
  bands: readonly string[];
  usualBand: number;
}

/**
 * Opens, shows and closes slices when somebody asks, and closes them when their time is over. What is answered is durable.
 *
 * ```
 *   open ──▶ held ──durable──▶ answered … drawn from … ──▶ closed: asked to, expired, or with the slice around it
 * ```
 *
 * Slices outlive the process: a new one finds them in the ledger, and the instants at which they expire in their names.
 * Where several supervisors share a ledger, its desk keeps them, and what somebody asks is passed on to it.
 */
export class SliceKeeper {
  readonly #turn: Turn;
  readonly #reservations: Reservations;
  readonly #limits: CoreConfig["slices"];
  readonly #bands: () => Bands;
  readonly #timers = new Map<string, TimerHandle>();
  readonly #answers: SliceAnswers;

  constructor(
    turn: Turn,
    reservations: Reservations,
    { slices, bands }: { slices: CoreConfig["slices"]; bands: () => Bands },
  ) {
    this.#turn = turn;
    this.#reservations = reservations;
    this.#limits = slices;
    this.#bands = bands;
    this.#answers = new SliceAnswers(({ ask, slice }) => {
      turn.emit({ kind: "answer_slice", ask, slice, error: null });
    });
  }

  /** What the ledger holds open goes on. */
  restored(): void {
    for (const slice of this.#reservations.slices.open) this.#expire(slice);
  }

  asked(asked: SliceAsked, { draining }: { draining: boolean }): void {
    const { ask, account } = asked;
    if (asked.action === "open" && draining) return this.#refuse(ask, noCapacity("draining"));
    if (this.#reservations.isReplica) {
      return this.#reservations.order({ kind: "slice", asked, ...this.#bands() });
    }
    switch (asked.action) {
      case "open":
        return this.#open(ask, account, asked);
      case "show":
        return this.#show(ask, account);
      case "close":
        return this.#close(ask, account);
    }
  }

  /** Whoever keeps the slices has answered. */
  told({ ask, slice, error }: SliceTold): void {
    this.#turn.emit({ kind: "answer_slice", ask, slice, error });
  }

  /** The ledger is durable up to that position: so is what these answers say. */
  durable(through: number): void {
    this.#answers.durable(through);
  }

  /** The time of the account's slice is over. */
  over(account: string): void {
    this.#closeAll(account);
  }

  #open(ask: string, account: string, opening: SliceOpening): void {
    const ground = this.#ground();
    const refusal = refusalOf(account, opening, ground);
    if (refusal !== null) return this.#refuse(ask, refusal);
    const { amounts, priority } = opening;
    const expiresUs = expiryOf(account, opening, { ...ground, ledgerUs: this.#reservations.clockUs });
    const result = this.#reservations.openSlice({ account, expiresUs, amounts, priority });
    if ("limit" in result) return this.#refuse(ask, budgetError(result, this.#turn.nowUs));
    const slice = this.#reservations.slices.find(account)!;
    this.#expire(slice);
    this.#answers.wrote(result.sequence);
    this.#answers.answer({ ask, slice: viewOf(slice) });
  }

  #show(ask: string, account: string): void {
    const slice = viewAt(account, this.#reservations.slices);
    if (slice === null) this.#refuse(ask, unknown(account));
    else this.#answers.answer({ ask, slice });
  }

  /** Closing one that is closed changes nothing. */
  #close(ask: string, account: string): void {
    const slice = this.#reservations.slices.find(account);
    if (slice === null) return this.#show(ask, account);
    // What slices inside it had left has come back to it by the time it is closed itself.
    const { charge } = this.#closeAll(account);
    this.#answers.answer({ ask, slice: releasedView(slice, charge) });
  }

  /** With those inside it. Returns the last entry, which is its own. */
  #closeAll(account: string): LedgerEntry {
    const last = this.#reservations.closeSlices(account).at(-1)!;
    this.#answers.wrote(last.sequence);
    this.#forgetTimers(account);
    return last;
  }

  #ground(): SliceGround {
    const reservations = this.#reservations;
    const isUsed = (account: string): boolean => reservations.isUsed(account);
    return { slices: reservations.slices, limits: this.#limits, isUsed, ahead: { all: 0, ofPayer: 0 } };
  }

  #refuse(ask: string, error: HeadgateError): void {
    this.#turn.emit({ kind: "answer_slice", ask, slice: null, error });
  }

  #expire({ account, expiresUs }: OpenSlice): void {
    this.#timers.set(account, this.#turn.at(expiresUs, { kind: "slice_over", account }));
  }

  #forgetTimers(account: string): void {
    for (const [name, timer] of this.#timers) {
      if (!isAtOrBelow(name, account)) continue;
      this.#turn.cancel(timer);
      this.#timers.delete(name);
    }
  }
}
