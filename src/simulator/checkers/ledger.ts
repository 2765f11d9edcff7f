import type { LedgerState } from "../../core/budget/accounts.ts";
import { Calendar } from "../../core/budget/calendar.ts";
import { NOTHING } from "../../core/budget/charge.ts";
import type { LedgerEntry } from "../../core/budget/ledger-entry.ts";
import type { LimitRow } from "../../core/budget/limits.ts";
import type { Effect } from "../../core/effects.ts";
import type { LedgerRestored, SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import { requestOf, sliceOf } from "../ids.ts";
import type { Sighting } from "../sightings.ts";
import { amountOf, beyond, Book, isNone, isSame, toldOf } from "./book.ts";
import type { Checker, EndOfWorld, Violate } from "./checker.ts";
import { isAtOrBelow, parentOf } from "./paths.ts";
import { PARTS } from "./slices-book.ts";

/**
 * The ledger over all lives of the supervisor. What is written is what was appended, in order and
 * without gaps. Each hold is opened once and closed once, ever; only holds raise what is used, and
 * never above a limit; what goes beyond a hold is recorded. Who starts after a crash reads what is on
 * the disk and nothing else, and posts every hold it finds there in full and in doubt, but slices, which stay open. What is
 * drawn from a slice was held under the limits above it before, and what it has not left nobody draws.
 */
export class LedgerChecker implements Checker {
  readonly #violate: Violate;
  /** All there is: what is on the disk, then what this life has appended and not yet made durable. */
  readonly #entries: LedgerEntry[] = [];
  #durable = 0;
  readonly #calendar = new Calendar();
  #book = new Book(this.#calendar);
  readonly #everOpened = new Set<string>();
  readonly #limits = new Map<string, LimitRow>();
  readonly #excuse: (entry: LedgerEntry, limit: LimitRow) => number;
  readonly #isShared: boolean;
  readonly #totalUs: Micros | null;
  #isRestoring = false;

  /**
   * Of a ledger that supervisors share, entries come in no order of time, and `excuse` says by how much one may go beyond a
   * limit as it stands. `totalUs` is the longest that a request may take; without it, all that a crash leaves is posted in full.
   */
  constructor(
    violate: Violate,
    options: { excuse?: (entry: LedgerEntry, limit: LimitRow) => number; totalUs?: Micros } = {},
  ) {
    const { excuse, totalUs = null } = options;
    this.#violate = violate;
    this.#totalUs = totalUs;
    this.#excuse = excuse ?? (() => 0);
    this.#isShared = excuse !== undefined;
  }

  /** As the supervisor of the moment should see it: changes with each entry. */
  get book(): Book {
    return this.#book;
  }

  /** The ledger's clock. */
  get clockUs(): Micros {
    return this.#entries.at(-1)?.atUs ?? 0;
  }

  /** Limits on the way from the root to an account. */
  limitsOf(account: string): LimitRow[] {
    return [...this.#limits.values()].filter((limit) => {
      return limit.amount !== null && isAtOrBelow(account, limit.account);
    });
  }

  event(_nowUs: Micros, event: SupervisorEvent): void {
    this.#isRestoring = event.kind === "ledger_restored";
    if (event.kind === "ledger_restored") this.#restore(event);
    if (event.kind === "limits_changed") {
      this.#calendar.learn(event.known.zones);
      this.#setLimits(event.limits);
    }
    if (event.kind === "ledger_durable" && event.through > this.#durable) {
      this.#violate(null, `entry ${event.through} is called durable, and ${this.#durable} are`);
    }
  }

  /** One at a time, so that others can look at the book in between. */
  effect(effect: Effect): void {
    if (effect.kind === "append_ledger") this.#append(effect.entry);
  }

  /** After the effects of an event. */
  stepped(): void {
    if (!this.#isRestoring) return;
    for (const id of this.#book.open.keys()) {
      this.#violate(requestOf(id), `hold ${id} of an earlier life is still open`);
    }
  }

  sighting(sighting: Sighting): void {
    if (sighting.kind !== "entries_durable") return;
    for (const entry of sighting.entries) {
      if (this.#entries[this.#durable++] !== entry) {
        this.#violate(requestOf(entry.hold), `entry ${entry.sequence} is written in the wrong place`);
      }
    }
  }

  end({ ledger }: EndOfWorld): void {
    for (const id of this.#book.open.keys()) this.#violate(requestOf(id), `hold ${id} is still open`);
    for (const { id } of this.#book.slices.open.values()) this.#violate(null, `${id} is still open`);
    if (this.#book.isHolding) this.#violate(null, "the ledger still holds something");
    if (this.#durable !== this.#entries.length) {
      this.#violate(null, `${this.#entries.length} entries were made and ${this.#durable} are durable`);
    }
    this.#compare(ledger);
  }

  // ── a new life ─────────────────────────────────────────────────────────────────────────

  #restore({ state, limits }: LedgerRestored): void {
    for (const lost of this.#entries.splice(this.#durable)) {
      if (lost.operation === "reserve") this.#everOpened.delete(lost.hold);
    }
    this.#calendar.learn(state.zones);
    this.#book = new Book(this.#calendar);
    for (const entry of this.#entries) this.#book.apply(entry);
    this.#limits.clear();
    this.#setLimits(limits);
    this.#compare(state);
    const counted = new Set(state.tracked.map(({ account, window }) => `${account} ${window}`));
    for (const { account, window } of limits) {
      if (window === "total" || counted.has(`${account} ${window}`)) continue;
      this.#violate(null, `${account} has a limit per ${window}, which is not counted`);
    }
  }

  /** What is read from the disk is what the entries on it say. */
  #compare({ sequence, balances, holds, inDoubt, closed = [] }: Omit<LedgerState, "tracked">): void {
    if (sequence !== this.#durable) this.#violate(null, `${sequence} entries are read of ${this.#durable}`);
    for (const { account, window, startUs, ...row } of balances) {
      const read = { ...row, nanoUsd: Number(row.nanoUsd) };
      const posted = this.#book.postedIn(account, window, startUs);
      if (isSame(read, posted)) continue;
      const place = `${account} in window ${window} from ${startUs}`;
      this.#violate(null, `${place} is read as ${JSON.stringify(read)}, not ${JSON.stringify(posted)}`);
    }
    const rows = new Set(balances.map(({ account, window }) => `${account} ${window}`));
    for (const account of this.#book.accounts) {
      if (!rows.has(`${account} total`)) this.#violate(null, `${account} is not read`);
    }
    this.#expectSame(
      "open holds",
      holds.map(({ id }) => id),
      [...this.#book.open.keys(), ...Array.from(this.#book.slices.open.values(), ({ id }) => id)],
    );
    for (const { id, charge } of holds) {
      const held = this.#book.openOf(id)?.held;
      if (held === undefined || isSame(charge, held)) continue;
      this.#violate(null, `hold ${id} is read as ${JSON.stringify(charge)}, not ${JSON.stringify(held)}`);
    }
    this.#expectSame("closed slices", [...closed], [...this.#book.slices.closed]);
    this.#expectSame(
      "holds in doubt",
      inDoubt.map(({ hold }) => hold),
      [...this.#book.inDoubt.keys()],
    );
  }

  #expectSame(what: string, read: string[], expected: string[]): void {
    const [a, b] = [read.sort().join(), expected.sort().join()];
    if (a !== b) this.#violate(null, `${what} are read as ${a}, not ${b}`);
  }

  #setLimits(limits: readonly LimitRow[]): void {
    for (const limit of limits) this.#limits.set(`${limit.account} ${limit.unit} ${limit.window}`, limit);
  }

  // ── entries ────────────────────────────────────────────────────────────────────────────

  #append(entry: LedgerEntry): void {
    const { sequence, atUs, hold, operation } = entry;
    const request = sliceOf(hold) === null ? requestOf(hold) : null;
    if (sequence !== this.#entries.length + 1) {
      this.#violate(request, `entry ${sequence} follows ${this.#entries.length}`);
    }
    if (atUs < this.clockUs && !this.#isShared)
      this.#violate(request, `entry ${sequence} is before the one before it`);
    if (this.#isRestoring && !entry.inDoubt) {
      this.#violate(request, `hold ${hold} of an earlier life ends in ${operation}, and nobody knows`);
    }
    const problem = this.#problemOf(entry);
    if (problem !== null) return this.#violate(request, `${operation} of hold ${hold}: ${problem}`);
    const usedBefore = this.#drawnOn(entry);
    this.#entries.push(entry);
    this.#book.apply(entry);
    if (operation === "reserve" || operation === "extend") {
      this.#checkLimits(entry, usedBefore);
      this.#checkSlices(entry);
    }
  }

  #problemOf(entry: LedgerEntry): string | null {
    const { hold: id, operation, charge, overage, inDoubt, heldAtUs, account } = entry;
    if (operation === "reserve" || operation === "extend") {
      const closed = this.#book.slices.closedAbove(account);
      if (closed !== null) return `it is charged below ${closed}, which is closed`;
    }
    if (operation === "reserve") {
      if (this.#everOpened.has(id)) return "it was there before";
      this.#everOpened.add(id);
      return this.#problemOfSlice(entry);
    }
    if (sliceOf(id) !== null && operation !== "void") return "slices are opened and closed only";
    const doubtful = this.#book.inDoubt.get(id);
    const hold = operation === "adjust" ? doubtful && toldOf(doubtful) : this.#book.openOf(id);
    if (hold === undefined) return operation === "adjust" ? "it is not in doubt" : "it is not open";
    if (account !== hold.account) return `it is that of ${hold.account}, not of ${account}`;
    if (heldAtUs !== hold.heldAtUs) return "it was made at another time";
    const { held } = hold;
    const isWhole = operation === "void" || inDoubt;
    const whole = inDoubt ? { ...held, gpuUs: this.#gpuUsInDoubt(entry, held.gpuUs) } : held;
    if (isWhole && !isSame(charge, whole)) return "it does not end as a whole";
    const excess = operation === "post" ? beyond(charge, held) : NOTHING;
    if (!isSame(overage ?? NOTHING, excess)) return "it is exceeded without saying so, or says so wrongly";
    return null;
  }

  /**
   * For how long it ran is known of one whose tokens are not. Where whoever knew is gone, it is all that was held, or, where no
   * limit counts it, as much of that as it is of `timeouts.total` since then.
   */
  #gpuUsInDoubt({ charge, account, atUs, heldAtUs }: LedgerEntry, heldUs: number): number {
    if (!this.#isRestoring) return Math.min(charge.gpuUs, heldUs);
    const isLimited = this.limitsOf(account).some(({ unit }) => unit === "gpu_seconds");
    if (isLimited || this.#totalUs === null) return heldUs;
    const part = Math.ceil(heldUs * Math.min(1, (atUs - heldAtUs) / this.#totalUs));
    // Fractions are not exact here.
    return Math.abs(charge.gpuUs - part) <= 1 ? charge.gpuUs : part;
  }

  /** A slice is of an account of its own, which nobody has used, and inside another it is over no later. */
  #problemOfSlice({ hold, account, atUs }: LedgerEntry): string | null {
    const place = sliceOf(hold);
    if (place === null) return null;
    const { slices } = this.#book;
    if (parentOf(place.account) !== account) return `it is of ${account}`;
    if (slices.closed.has(place.account) || slices.open.has(place.account)) return "its name was used before";
    const { posted, held } = this.#book.used(place.account, "total", atUs);
    if (!isNone(posted) || !isNone(held)) return "its account was charged before";
    const isLonger = slices.around(account).some(({ expiresUs }) => expiresUs < place.expiresUs);
    return isLonger ? "it outlives the slice around it" : null;
  }

  /** What is drawn from a slice is not held above it again, so it may be drawn whatever the limits there have come to. */
  #drawnOn({ operation, account, atUs }: LedgerEntry): Map<LimitRow, number> {
    const raises = operation === "reserve" || operation === "extend";
    if (!raises || this.#book.slices.around(account).length === 0) return new Map();
    return new Map(this.limitsOf(account).map((limit) => [limit, this.#used(limit, atUs)]));
  }

  #used({ account, unit, window }: LimitRow, atUs: Micros): number {
    const { posted, held } = this.#book.used(account, window, atUs);
    return amountOf(unit, posted) + amountOf(unit, held);
  }

  /** Nobody draws from a slice what it has not left. */
  #checkSlices({ hold, account }: LedgerEntry): void {
    for (const slice of this.#book.slices.around(account)) {
      const rest = this.#book.slices.restOf(slice);
      if (PARTS.every((part) => rest[part] >= 0)) continue;
      const left = JSON.stringify(rest);
      this.#violate(requestOf(hold), `hold ${hold} takes more of ${slice.account} than it has: ${left} left`);
    }
  }

  /** No hold takes what is used above a limit, whatever has brought it there. */
  #checkLimits(entry: LedgerEntry, usedBefore: ReadonlyMap<LimitRow, number>): void {
    const { hold, account, charge, atUs } = entry;
    for (const limit of this.limitsOf(account)) {
      if (amountOf(limit.unit, charge) === 0) continue;
      const used = this.#used(limit, atUs);
      if (used === usedBefore.get(limit)) continue;
      if (used > mostUnder(limit) && used > mostUnder(limit) + this.#excuse(entry, limit)) {
        const which = `${limit.unit} per ${limit.window} of ${limit.account}`;
        this.#violate(requestOf(hold), `hold ${hold} takes the ${which} to ${used} of ${mostUnder(limit)}`);
      }
    }
  }
}

/** What anybody may take a limit to: where it has a threshold that stops, the part before that. */
export function mostUnder({ amount, thresholds = [] }: LimitRow): number {
  const stops = thresholds.filter(({ action }) => action === "stop").map(({ percent }) => percent);
  return Math.floor((Number(amount) * Math.min(100, ...stops)) / 100);
}
