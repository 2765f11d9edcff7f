import { assert } from "../assert.ts";
import { ChurnMap } from "../churn.ts";
import { MICROS_PER_SECOND, type Micros } from "../units.ts";
import { Calendar, type ZoneRules } from "./calendar.ts";
import { type Charge, least, minus, NOTHING, plus } from "./charge.ts";
import { CountedWindow } from "./counted-window.ts";
import { CountsTable, HELD, POSTED, type Slot } from "./counts.ts";
import type { LedgerEntry } from "./ledger-entry.ts";
import { isAtOrBelow, parentOf } from "./paths.ts";
import { type Draw, placeOfSlice } from "./slice.ts";
import { type SliceBooks, Slices } from "./slices.ts";
import { type Balance, newBalance, rowOf } from "./sums.ts";
import type { LimitWindow } from "./windows.ts";

/** An open hold. Each part counts in the windows of the instant it was taken at. */
export interface Hold {
  readonly id: string;
  readonly account: string;
  readonly model: string;
  /** In order of time: what counts in the same windows is one part. */
  readonly parts: readonly HoldPart[];
  readonly charge: Charge;
  /** Of a slice what it was opened with, of which `charge` is what nobody has drawn; absent for other holds. */
  readonly amounts?: Charge;
  /** What of it was drawn from slices that are open; absent where nothing ever was. */
  readonly draws?: readonly Draw[];
}

export interface HoldPart {
  readonly atUs: Micros;
  readonly charge: Charge;
}

/** A post in full whose true use may still be learnt. */
export interface DoubtfulPost {
  readonly hold: string;
  readonly account: string;
  readonly model: string;
  readonly heldAtUs: Micros;
  readonly charge: Charge;
  /** Those that its hold had; null for one part, and for posts by versions that did not keep them: a correction counts at `heldAtUs`. */
  readonly parts: readonly HoldPart[] | null;
}

/** All of the ledger's balances as plain data; sums of money are decimal integers in nano-USD. */
export interface LedgerState {
  /** Of the last entry that is counted in. */
  sequence: number;
  clockUs: Micros;
  zones: ZoneRules[];
  /** Windows besides `total` that are counted for an account. */
  tracked: TrackedWindow[];
  balances: BalanceRow[];
  holds: Hold[];
  inDoubt: DoubtfulPost[];
  /** Sub-accounts whose slices were closed, the latest; none if absent. */
  closed?: string[];
}

export interface TrackedWindow {
  account: string;
  window: LimitWindow;
}

/** One instance of a window of one account; `startUs` is 0 for `total`. What is held follows from the holds. */
export interface BalanceRow extends TrackedWindow {
  startUs: Micros;
  nanoUsd: string;
  inputTokens: number;
  cachedTokens: number;
  outputTokens: number;
  reasoningTokens: number;
  requests: number;
  gpuUs: number;
}

/** Posts in doubt that are remembered, the latest: older ones stay posted as they are. */
export const IN_DOUBT_MAX = 10_000;

export interface Account {
  readonly name: string;
  /** Null for the root; undefined until something below it, or it itself, is charged. */
  above: Account | null | undefined;
  readonly total: Slot;
  /** Those that are tracked. */
  readonly windows: CountedWindow[];
}

/** Told what was posted, part by part: `atUs` is when it was held. */
export type OnPosted = (entry: LedgerEntry, atUs: Micros, share: Charge) => void;

export const EMPTY_LEDGER: LedgerState = {
  sequence: 0,
  clockUs: 0,
  zones: [],
  tracked: [],
  balances: [],
  holds: [],
  inDoubt: [],
};

/**
 * Every balance, from ledger entries and nothing else. The supervisor keeps one to decide with, the
 * ledger's store one to write summaries from, and whoever reads the ledger builds one: all three
 * agree because this is the only code that counts.
 *
 * Each account is counted in total, and in the windows that somebody has set a limit for (`track`).
 *
 * Invariant: what an account holds in a window is the sum of the parts of open holds that were
 * taken in it, by the account or one below it, and is never negative.
 */
export class Accounts {
  readonly calendar: Calendar;
  readonly slices: Slices;
  /** What the accounts' slots are in. */
  readonly counts = new CountsTable();
  readonly #zones = new Map<string, ZoneRules>();
  readonly #onPosted: OnPosted | null;
  readonly #inDoubtMax: number;
  readonly #accounts = new Map<string, Account>();
  /** Accounts with tracked windows. */
  readonly #tracked = new Set<Account>();
  /** Those whose turn it is to forget. */
  #forgetting = this.#tracked.values();
  readonly #holds = new ChurnMap<string, Hold>();
  readonly #inDoubt = new Map<string, DoubtfulPost>();
  #sequence: number;
  #clockUs: Micros;

  constructor(
    state: LedgerState = EMPTY_LEDGER,
    onPosted: OnPosted | null = null,
    { inDoubtMax = IN_DOUBT_MAX }: { inDoubtMax?: number } = {},
  ) {
    this.#inDoubtMax = inDoubtMax;
    this.#sequence = state.sequence;
    this.#clockUs = state.clockUs;
    this.#onPosted = onPosted;
    this.calendar = new Calendar();
    this.learn(state.zones);
    for (const { account, window } of state.tracked) this.#track(this.#account(account), window);
    for (const row of state.balances) this.counts.addRow(this.#slotOf(row), row);
    const addHeld: SliceBooks["addHeld"] = (...held) => this.#addHeld(...held);
    const isHolding = (name: string): boolean => {
      const account = this.#accounts.get(name);
      return account !== undefined && !this.counts.holdsNothing(account.total);
    };
    this.slices = new Slices({ holds: this.#holds, addHeld, isHolding }, state.closed ?? []);
    for (const hold of state.holds) {
      this.#holds.set(hold.id, hold);
      this.slices.began(hold);
      for (const { atUs, charge } of hold.parts) this.#addHeld(hold.account, atUs, charge, 1);
    }
    this.doubt(state.inDoubt);
  }

  get sequence(): number {
    return this.#sequence;
  }

  get clockUs(): Micros {
    return this.#clockUs;
  }

  get holds(): ReadonlyMap<string, Hold> {
    return this.#holds.entries;
  }

  get inDoubt(): ReadonlyMap<string, DoubtfulPost> {
    return this.#inDoubt;
  }

  get zones(): ZoneRules[] {
    return [...this.#zones.values()];
  }

  get names(): Iterable<string> {
    return this.#accounts.keys();
  }

  /** Time zones that windows are in have to be known before them. */
  learn(zones: readonly ZoneRules[]): void {
    for (const rules of zones) this.#zones.set(rules.zone, rules);
    this.calendar.learn(zones);
  }

  isTracked({ account, window }: TrackedWindow): boolean {
    const known = this.#accounts.get(account);
    return window === "total" || (known !== undefined && windowOf(known, window) !== null);
  }

  /**
   * Counts a window of an account from now on: with what open holds hold in it, and what was posted in it until now, as
   * rows say. Nothing where it is counted already.
   */
  track(tracked: TrackedWindow, posted: readonly BalanceRow[]): void {
    if (this.isTracked(tracked)) return;
    const account = this.#account(tracked.account);
    const counted = this.#track(account, tracked.window);
    for (const row of posted) this.counts.addRow(this.#slotOf(row), row);
    for (const { account: name, parts } of this.#holds.values()) {
      if (!isAtOrBelow(name, account.name)) continue;
      for (const { atUs, charge } of parts) this.counts.add(counted.instance(atUs), HELD, charge, 1);
    }
  }

  /** Counts the entry in; it has to be the next one. */
  apply(entry: LedgerEntry): void {
    assert(entry.sequence === this.#sequence + 1, `entry ${entry.sequence} follows ${this.#sequence}`);
    this.#sequence = entry.sequence;
    // Of several supervisors each has a clock that does not go back: what they append together is in no order of time.
    this.#clockUs = Math.max(this.#clockUs, entry.atUs);
    switch (entry.operation) {
      case "reserve":
        assert(!this.#holds.has(entry.hold), `${entry.hold} is reserved once`);
        return this.#hold(entry, null);
      case "extend":
        return this.#hold(entry, this.#open(entry.hold));
      case "post": {
        const hold = this.#close(entry);
        this.#post(entry, hold);
        return this.slices.ended(hold, entry.charge);
      }
      case "void":
        return this.slices.ended(this.#close(entry), NOTHING);
      case "adjust":
        return this.#adjust(entry);
    }
  }

  /** The true use of these posts may still be learnt. */
  doubt(posts: readonly DoubtfulPost[]): void {
    for (const post of posts) this.#inDoubt.set(post.hold, post);
    for (const oldest of this.#inDoubt.keys()) {
      if (this.#inDoubt.size <= this.#inDoubtMax) return;
      this.#inDoubt.delete(oldest);
    }
  }

  /** In the instance that contains that instant, of a window that is tracked; of a rolling one, in all that still counts. */
  balance(account: string, window: LimitWindow, atUs: Micros): Balance {
    const known = this.#accounts.get(account);
    if (known === undefined) return newBalance();
    return this.counts.balance(window === "total" ? known.total : trackedOf(known, window).at(atUs));
  }

  /** The account of that name, to be asked about often. */
  account(name: string): Account {
    return this.#account(name);
  }

  /** All of it as plain data. */
  get state(): LedgerState {
    return {
      sequence: this.#sequence,
      clockUs: this.#clockUs,
      zones: this.zones,
      tracked: [...this.#tracked].flatMap(({ name, windows }) => {
        return windows.map(({ window }) => ({ account: name, window }));
      }),
      balances: [...this.names].flatMap((name) => this.rowsOf(name)),
      holds: [...this.#holds.values()],
      inDoubt: [...this.#inDoubt.values()],
      closed: [...this.slices.closed],
    };
  }

  /** The account's windows as rows: `total`, and the instances that have not been forgotten. */
  rowsOf(account: string): BalanceRow[] {
    const { name, total, windows } = this.#account(account);
    const rows = [rowOf({ account: name, window: "total", startUs: 0 }, this.counts.balance(total))];
    for (const { window, instances } of windows) {
      for (const { startUs, slot } of instances)
        rows.push(rowOf({ account: name, window, startUs }, this.counts.balance(slot)));
    }
    return rows;
  }

  /** Drops instances that are over and in which nothing is held any more; whoever reports on them reads the store. */
  forgetBefore(atUs: Micros): void {
    for (const { windows } of this.#tracked) {
      for (const counted of windows) counted.forgetBefore(atUs);
    }
  }

  /** The same for so many accounts, and for the next ones when it is asked again: nobody waits for all of them. */
  forgetSome(atUs: Micros, count: number): void {
    for (let i = 0; i < count; i++) {
      const { value: account } = this.#forgetting.next();
      if (account === undefined) {
        this.#forgetting = this.#tracked.values();
        return;
      }
      for (const counted of account.windows) counted.forgetBefore(atUs);
    }
  }

  #hold({ hold: id, account, model, charge, atUs }: LedgerEntry, before: Hold | null): void {
    const draws = this.slices.draw(account, charge, before?.draws ?? []);
    const hold: Hold = {
      id,
      account,
      model,
      parts: withPart(before?.parts ?? [], { atUs, charge }),
      charge: plus(before?.charge ?? NOTHING, charge),
      ...(placeOfSlice(id) === null ? {} : { amounts: charge }),
      ...(draws.length === 0 ? {} : { draws }),
    };
    this.#holds.set(id, hold);
    this.slices.began(hold);
    this.#addHeld(account, atUs, charge, 1);
  }

  #open(id: string): Hold {
    const hold = this.#holds.get(id);
    assert(hold !== undefined, `${id} is open`);
    return hold;
  }

  #close({ hold: id }: LedgerEntry): Hold {
    const hold = this.#open(id);
    this.#holds.delete(id);
    for (const { atUs, charge } of hold.parts) this.#addHeld(hold.account, atUs, charge, -1);
    return hold;
  }

  #post(entry: LedgerEntry, { parts }: Hold): void {
    for (const { atUs, charge } of filled(parts, entry.charge)) this.#addPosted(entry, atUs, charge);
    if (!entry.inDoubt) return;
    const { hold, account, model, heldAtUs, charge, parts: kept } = entry;
    this.doubt([{ hold, account, model, heldAtUs, charge, parts: kept }]);
  }

  /** Fills the parts anew with what was used after all: what each of them has then, more or less than before, counts where it was held. */
  #adjust(entry: LedgerEntry): void {
    const post = this.#inDoubt.get(entry.hold);
    assert(post !== undefined, `${entry.hold} is in doubt`);
    this.#inDoubt.delete(entry.hold);
    const parts = post.parts ?? [{ atUs: post.heldAtUs, charge: post.charge }];
    const before = filled(parts, post.charge);
    for (const [i, { atUs, charge }] of filled(parts, plus(post.charge, entry.charge)).entries())
      this.#addPosted(entry, atUs, minus(charge, before[i]!.charge));
  }

  #addHeld(name: string, atUs: Micros, charge: Charge, sign: 1 | -1): void {
    let at: Account | null | undefined = this.#charged(name);
    for (; at; at = at.above) {
      this.counts.add(at.total, HELD, charge, sign);
      for (const counted of at.windows) this.counts.add(counted.instance(atUs), HELD, charge, sign);
      assert(this.counts.isHeldPositive(at.total), "an account never holds less than nothing");
    }
  }

  #addPosted(entry: LedgerEntry, atUs: Micros, charge: Charge): void {
    let at: Account | null | undefined = this.#charged(entry.account);
    for (; at; at = at.above) {
      this.counts.add(at.total, POSTED, charge, 1);
      for (const counted of at.windows) this.counts.add(counted.instance(atUs), POSTED, charge, 1);
    }
    this.#onPosted?.(entry, atUs, charge);
  }

  #slotOf({ account: name, window, startUs }: BalanceRow): Slot {
    const account = this.#account(name);
    return window === "total" ? account.total : trackedOf(account, window).instance(startUs);
  }

  #track(account: Account, window: LimitWindow): CountedWindow {
    const known = windowOf(account, window);
    if (known !== null) return known;
    const counted = new CountedWindow(window, this);
    account.windows.push(counted);
    this.#tracked.add(account);
    return counted;
  }

  #account(name: string): Account {
    let account = this.#accounts.get(name);
    if (account === undefined) {
      this.#accounts.set(
        name,
        (account = { name, above: undefined, total: this.counts.take(), windows: [] }),
      );
    }
    return account;
  }

  /** The account of that name, with the way up to the root. */
  #charged(name: string): Account {
    const known = this.#accounts.get(name);
    if (known !== undefined && known.above !== undefined) return known;
    const parent = parentOf(name);
    const above = parent === null ? null : this.#charged(parent);
    const account = this.#account(name);
    account.above = above;
    return account;
  }
}

/** Null where it is not tracked. */
function windowOf({ windows }: Account, window: LimitWindow): CountedWindow | null {
  return windows.find((counted) => counted.window === window) ?? null;
}

/** A window that is tracked. */
export function trackedOf(account: Account, window: LimitWindow): CountedWindow {
  const counted = windowOf(account, window);
  assert(counted !== null, `${window} of ${account.name} is counted`);
  return counted;
}

/** What an entry says that posts a hold in doubt: with the parts, where there are several to be corrected. */
export function doubtOf({ parts }: Hold): Pick<LedgerEntry, "inDoubt" | "parts"> {
  return { inDoubt: true, parts: parts.length > 1 ? parts : null };
}

/** Fills the parts in order, so that what is used counts where it was held; the last takes what goes beyond. */
export function filled(parts: readonly HoldPart[], used: Charge): HoldPart[] {
  let left = used;
  return parts.map(({ atUs, charge }, i) => {
    const share = i === parts.length - 1 ? left : least(left, charge);
    left = minus(left, share);
    return { atUs, charge: share };
  });
}

/** Windows begin and end at whole seconds: what is taken within one counts in the same instance of all of them. */
function withPart(parts: readonly HoldPart[], { atUs, charge }: HoldPart): HoldPart[] {
  const last = parts.at(-1);
  const isSameSecond = last !== undefined && secondOf(last.atUs) === secondOf(atUs);
  if (!isSameSecond) return [...parts, { atUs, charge }];
  return [...parts.slice(0, -1), { atUs: last.atUs, charge: plus(last.charge, charge) }];
}

function secondOf(atUs: Micros): number {
  return Math.floor(atUs / MICROS_PER_SECOND);
}
