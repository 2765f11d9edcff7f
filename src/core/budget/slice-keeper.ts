import { noCapacity } from "../admission/admission.ts";
import type { CoreConfig } from "../config.ts";
import type { TimerHandle } from "../deadlines.ts";
import type { SliceView } from "../effects.ts";
import type { HeadgateError } from "../errors.ts";
import type { SliceAsked, SliceOpening } from "../events.ts";
import type { Turn } from "../turn.ts";
import { MICROS_PER_SECOND, seconds } from "../units.ts";
import type { Charge } from "./charge.ts";
import { formatAmount } from "./limits.ts";
import { isAtOrBelow, parentOf } from "./paths.ts";
import { budgetError } from "./refusal.ts";
import type { Reservations } from "./reservations.ts";
import { SLICE_PARTS, UNIT_OF } from "./slice.ts";
import type { OpenSlice } from "./slices.ts";

/** How long a slice is open where nothing else was asked for. */
const TTL_US = seconds(3_600);

/** An answer that has to wait until the ledger is durable up to there. */
interface Waiting {
  readonly sequence: number;
  readonly ask: string;
  readonly slice: SliceView;
}

/**
 * Opens, shows and closes slices when somebody asks, and closes them when their time is over. What is answered is durable.
 *
 * ```
 *   open ──▶ held ──durable──▶ answered … drawn from … ──▶ closed: asked to, expired, or with the slice around it
 * ```
 *
 * Slices outlive the process: a new one finds them in the ledger, and the instants at which they expire in their names.
 */
export class SliceKeeper {
  readonly #turn: Turn;
  readonly #reservations: Reservations;
  readonly #limits: CoreConfig["slices"];
  readonly #timers = new Map<string, TimerHandle>();
  /** In ledger order. */
  #waiting: Waiting[] = [];
  /** The last entry that opened or closed a slice, and how far the ledger is durable. */
  #changed = 0;
  #durable = 0;

  constructor(turn: Turn, reservations: Reservations, config: CoreConfig) {
    this.#turn = turn;
    this.#reservations = reservations;
    this.#limits = config.slices;
  }

  /** What the ledger holds open goes on. */
  restored(): void {
    for (const slice of this.#reservations.slices.open) this.#expire(slice);
  }

  asked({ ask, account, ...asked }: SliceAsked, { draining }: { draining: boolean }): void {
    if (this.#reservations.isReplica) return this.#refuse(ask, NEEDS_ONE_SUPERVISOR);
    switch (asked.action) {
      case "open":
        if (draining) return this.#refuse(ask, noCapacity("draining"));
        return this.#open(ask, account, asked);
      case "show":
        return this.#show(ask, account);
      case "close":
        return this.#close(ask, account);
    }
  }

  /** The ledger is durable up to that position: so is what these answers say. */
  durable(through: number): void {
    this.#durable = through;
    while (this.#waiting.length > 0 && this.#waiting[0]!.sequence <= through) {
      const { ask, slice } = this.#waiting.shift()!;
      this.#turn.emit({ kind: "answer_slice", ask, slice, error: null });
    }
  }

  /** The time of the account's slice is over. */
  over(account: string): void {
    for (const { sequence } of this.#reservations.closeSlices(account)) this.#changed = sequence;
    this.#forgetTimers(account);
  }

  #open(ask: string, account: string, opening: SliceOpening): void {
    const refusal = this.#refusal(account, opening);
    if (refusal !== null) return this.#refuse(ask, refusal);
    const { amounts, priority } = opening;
    const ttlUs = opening.ttlUs ?? Math.min(TTL_US, this.#limits.ttlMaxUs);
    const ledgerUs = this.#reservations.clockUs;
    const around = this.#reservations.slices.around(account);
    // Nothing inside a slice outlives it.
    const expiresUs = Math.min(ledgerUs + ttlUs, ...around.map((outer) => outer.expiresUs));
    const result = this.#reservations.openSlice({ account, expiresUs, amounts, priority });
    if ("limit" in result) return this.#refuse(ask, budgetError(result, this.#turn.nowUs));
    const slice = this.#reservations.slices.find(account)!;
    this.#expire(slice);
    this.#changed = result.sequence;
    this.#answer(ask, viewOf(slice));
  }

  /** Why there can be no such slice, whatever money there is. */
  #refusal(account: string, { payer, ttlUs }: SliceOpening): HeadgateError | null {
    const { slices } = this.#reservations;
    if (slices.closedAbove(parentOf(account)!) === null && this.#isTaken(account)) {
      const message = `There is an account ${account} already, or there was one.`;
      return { code: "account_exists", param: "name", account, message };
    }
    const { openMax, perPayerMax, depthMax, ttlMaxUs } = this.#limits;
    if (ttlUs !== null && ttlUs > ttlMaxUs) {
      const message = `A slice may be open for ${ttlMaxUs / MICROS_PER_SECOND} seconds at most, by budgets.slices.ttl_max.`;
      return { code: "invalid_request", param: "ttl_seconds", message };
    }
    if (slices.around(account).length >= depthMax) {
      const message = `${account} would be a slice inside ${depthMax} others, as many as budgets.slices.depth_max allows.`;
      return { code: "invalid_request", param: "name", message };
    }
    if (slices.size >= openMax) return noCapacity("slices_full");
    return slices.countWithin(payer) >= perPayerMax ? noCapacity("slices_full") : null;
  }

  /** What was spent in a name would be taken for the slice's. */
  #isTaken(account: string): boolean {
    const { slices } = this.#reservations;
    return slices.closed.has(account) || slices.find(account) !== null || this.#reservations.isUsed(account);
  }

  #show(ask: string, account: string): void {
    const slice = this.#reservations.slices.find(account);
    if (slice !== null) return this.#answer(ask, viewOf(slice));
    if (this.#isClosed(account)) return this.#answer(ask, closedView(account));
    this.#refuse(ask, unknown(account));
  }

  /** Closing one that is closed changes nothing. */
  #close(ask: string, account: string): void {
    const slice = this.#reservations.slices.find(account);
    if (slice === null) return this.#show(ask, account);
    const { amounts } = slice;
    const last = this.#reservations.closeSlices(account).at(-1)!;
    this.#forgetTimers(account);
    // What slices inside it had left has come back to it by the time it is closed itself.
    const released = amountsOf(amounts, last.charge);
    const view = { ...closedView(account), amounts: amountsOf(amounts, amounts), released };
    this.#changed = last.sequence;
    this.#answer(ask, view);
  }

  #isClosed(account: string): boolean {
    return this.#reservations.slices.closedAbove(account) !== null;
  }

  /** Once all is durable that has been done to slices until now, and that it may tell of. */
  #answer(ask: string, slice: SliceView): void {
    if (this.#changed > this.#durable) this.#waiting.push({ sequence: this.#changed, ask, slice });
    else this.#turn.emit({ kind: "answer_slice", ask, slice, error: null });
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

const NEEDS_ONE_SUPERVISOR: HeadgateError = {
  code: "needs_one_supervisor",
  message:
    "Sub-accounts with a slice of a budget can't be opened or closed where several supervisors share a port.",
};

function unknown(account: string): HeadgateError {
  return {
    code: "not_found",
    account,
    message: `No slice was opened for ${account}, or it was closed long ago.`,
  };
}

function viewOf({ account, amounts, rest, expiresUs }: OpenSlice): SliceView {
  const remaining = amountsOf(amounts, rest);
  return { account, status: "open", amounts: amountsOf(amounts, amounts), remaining, expiresUs };
}

function closedView(account: string): SliceView {
  return { account, status: "closed", amounts: {}, remaining: {}, expiresUs: null };
}

/** In the units that the slice is of. */
function amountsOf(sliced: Charge, charge: Charge): SliceView["amounts"] {
  const parts = SLICE_PARTS.filter((part) => sliced[part] > 0);
  return Object.fromEntries(
    parts.map((part) => [UNIT_OF[part], formatAmount(UNIT_OF[part], BigInt(charge[part]))]),
  );
}
