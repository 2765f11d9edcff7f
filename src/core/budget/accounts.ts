import { assert } from "../assert.ts";
import type { Micros } from "../units.ts";
import { type Charge, least, minus, NOTHING, plus } from "./charge.ts";
import type { LedgerEntry } from "./ledger-entry.ts";
import { dayStart, type LimitWindow, type Sum } from "./limits.ts";

/** What has been used and what is promised, in one window of one account and all accounts below it. */
export interface Balance {
  readonly posted: Sum;
  readonly held: Sum;
}

/** An open hold. Each part counts in the windows of the instant it was taken at. */
export interface Hold {
  readonly id: string;
  readonly account: string;
  /** In order of time: what was taken on one day is one part. */
  readonly parts: readonly HoldPart[];
  readonly charge: Charge;
}

export interface HoldPart {
  readonly atUs: Micros;
  readonly charge: Charge;
}

/** A post in full whose true use may still be learnt. */
export interface DoubtfulPost {
  readonly hold: string;
  readonly account: string;
  readonly heldAtUs: Micros;
  readonly charge: Charge;
}

/** All of the ledger's balances as plain data; sums of money are decimal integers in nano-USD. */
export interface LedgerState {
  /** Of the last entry that is counted in. */
  sequence: number;
  clockUs: Micros;
  balances: BalanceRow[];
  holds: Hold[];
  inDoubt: DoubtfulPost[];
}

/** One window of one account; `startUs` is 0 for `total`. What is held follows from the holds. */
export interface BalanceRow {
  account: string;
  window: LimitWindow;
  startUs: Micros;
  nanoUsd: string;
  inputTokens: number;
  outputTokens: number;
  requests: number;
}

/** Posts in doubt that are remembered, the latest: older ones stay posted as they are. */
export const IN_DOUBT_MAX = 10_000;

interface Account {
  readonly name: string;
  readonly total: Balance;
  /** By the day's first instant. */
  readonly days: Map<Micros, Balance>;
}

export const EMPTY_LEDGER: LedgerState = { sequence: 0, clockUs: 0, balances: [], holds: [], inDoubt: [] };

/**
 * Every balance, from ledger entries and nothing else. The supervisor keeps one to decide with, the
 * ledger's store one to write summaries from, and whoever reads the ledger builds one: all three
 * agree because this is the only code that counts.
 *
 * Invariant: what an account holds in a window is the sum of the parts of open holds that were
 * taken in it, by the account or one below it, and is never negative.
 */
export class Accounts {
  readonly #accounts = new Map<string, Account>();
  /** From the root down, by the account at the end. */
  readonly #paths = new Map<string, readonly Account[]>();
  readonly #holds = new Map<string, Hold>();
  readonly #inDoubt = new Map<string, DoubtfulPost>();
  #sequence: number;
  #clockUs: Micros;

  constructor(state: LedgerState = EMPTY_LEDGER) {
    this.#sequence = state.sequence;
    this.#clockUs = state.clockUs;
    for (const row of state.balances) {
      const { posted } = this.#balance(this.#account(row.account), row.window, row.startUs);
      posted.nanoUsd = BigInt(row.nanoUsd);
      posted.inputTokens = row.inputTokens;
      posted.outputTokens = row.outputTokens;
      posted.requests = row.requests;
    }
    for (const hold of state.holds) {
      this.#holds.set(hold.id, hold);
      for (const { atUs, charge } of hold.parts) this.#addHeld(hold.account, atUs, charge, 1);
    }
    for (const post of state.inDoubt.slice(-IN_DOUBT_MAX)) this.#inDoubt.set(post.hold, post);
  }

  get sequence(): number {
    return this.#sequence;
  }

  get clockUs(): Micros {
    return this.#clockUs;
  }

  get holds(): ReadonlyMap<string, Hold> {
    return this.#holds;
  }

  get inDoubt(): ReadonlyMap<string, DoubtfulPost> {
    return this.#inDoubt;
  }

  get names(): Iterable<string> {
    return this.#accounts.keys();
  }

  /** Counts the entry in; it has to be the next one. */
  apply(entry: LedgerEntry): void {
    assert(entry.sequence === this.#sequence + 1, `entry ${entry.sequence} follows ${this.#sequence}`);
    assert(entry.atUs >= this.#clockUs, "the ledger's clock does not go back");
    this.#sequence = entry.sequence;
    this.#clockUs = entry.atUs;
    switch (entry.operation) {
      case "reserve":
        assert(!this.#holds.has(entry.hold), `${entry.hold} is reserved once`);
        return this.#hold(entry, NOTHING, []);
      case "extend": {
        const { charge, parts } = this.#open(entry.hold);
        return this.#hold(entry, charge, parts);
      }
      case "post":
        return this.#post(entry, this.#close(entry));
      case "void":
        this.#close(entry);
        return;
      case "adjust":
        assert(this.#inDoubt.delete(entry.hold), `${entry.hold} is in doubt`);
        return this.#addPosted(entry.account, entry.heldAtUs, entry.charge);
    }
  }

  /** In the window that contains that instant. */
  balance(account: string, window: LimitWindow, atUs: Micros): Balance {
    const known = this.#accounts.get(account);
    const balance = window === "total" ? known?.total : known?.days.get(dayStart(atUs));
    return balance ?? newBalance();
  }

  /** All of it as plain data. */
  get state(): LedgerState {
    return {
      sequence: this.#sequence,
      clockUs: this.#clockUs,
      balances: [...this.names].flatMap((name) => this.rowsOf(name)),
      holds: [...this.#holds.values()],
      inDoubt: [...this.#inDoubt.values()],
    };
  }

  /** The account's windows as rows: `total`, and the days that have not been forgotten. */
  rowsOf(account: string): BalanceRow[] {
    const { name, total, days } = this.#account(account);
    const rows = [rowOf(name, "total", 0, total)];
    for (const [startUs, balance] of days) rows.push(rowOf(name, "day", startUs, balance));
    return rows;
  }

  /** Drops days that are over and in which nothing is held any more; whoever reports on them reads the store. */
  forgetDaysBefore(atUs: Micros): void {
    for (const { days } of this.#accounts.values()) {
      for (const [startUs, { held }] of days) {
        if (startUs < dayStart(atUs) && isZero(held)) days.delete(startUs);
      }
    }
  }

  #hold({ hold: id, account, charge, atUs }: LedgerEntry, before: Charge, parts: readonly HoldPart[]): void {
    this.#holds.set(id, {
      id,
      account,
      parts: withPart(parts, { atUs, charge }),
      charge: plus(before, charge),
    });
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

  /** Fills the parts in order, so that what is used counts where it was held; the last takes what goes beyond. */
  #post(entry: LedgerEntry, { parts }: Hold): void {
    let left = entry.charge;
    for (const [i, part] of parts.entries()) {
      const share = i === parts.length - 1 ? left : least(left, part.charge);
      this.#addPosted(entry.account, part.atUs, share);
      left = minus(left, share);
    }
    if (!entry.inDoubt) return;
    const { hold, account, heldAtUs, charge } = entry;
    this.#inDoubt.set(hold, { hold, account, heldAtUs, charge });
    if (this.#inDoubt.size <= IN_DOUBT_MAX) return;
    const [oldest] = this.#inDoubt.keys();
    this.#inDoubt.delete(oldest!);
  }

  #addHeld(name: string, atUs: Micros, charge: Charge, sign: 1 | -1): void {
    const startUs = dayStart(atUs);
    for (const account of this.#path(name)) {
      add(account.total.held, charge, sign);
      add(this.#balance(account, "day", startUs).held, charge, sign);
      assert(isPositive(account.total.held), `${account.name} never holds less than nothing`);
    }
  }

  #addPosted(name: string, atUs: Micros, charge: Charge): void {
    const startUs = dayStart(atUs);
    for (const account of this.#path(name)) {
      add(account.total.posted, charge, 1);
      add(this.#balance(account, "day", startUs).posted, charge, 1);
    }
  }

  #balance(account: Account, window: LimitWindow, startUs: Micros): Balance {
    if (window === "total") return account.total;
    let day = account.days.get(startUs);
    if (day === undefined) account.days.set(startUs, (day = newBalance()));
    return day;
  }

  #account(name: string): Account {
    let account = this.#accounts.get(name);
    if (account === undefined) {
      this.#accounts.set(name, (account = { name, total: newBalance(), days: new Map() }));
    }
    return account;
  }

  #path(name: string): readonly Account[] {
    let path = this.#paths.get(name);
    if (path === undefined) {
      this.#paths.set(name, (path = pathOf(name).map((node) => this.#account(node))));
    }
    return path;
  }
}

/** An answer may be extended many times a day: what counts in the same windows is kept together. */
function withPart(parts: readonly HoldPart[], part: HoldPart): HoldPart[] {
  const last = parts.at(-1);
  if (last === undefined || dayStart(last.atUs) !== dayStart(part.atUs)) return [...parts, part];
  return [...parts.slice(0, -1), { atUs: last.atUs, charge: plus(last.charge, part.charge) }];
}

/** `a/b/c` names the accounts `a`, `a/b` and `a/b/c`, from the root down. */
export function pathOf(account: string): string[] {
  const path: string[] = [];
  for (let end = account.indexOf("/"); end >= 0; end = account.indexOf("/", end + 1)) {
    path.push(account.slice(0, end));
  }
  return [...path, account];
}

function newBalance(): Balance {
  return { posted: newSum(), held: newSum() };
}

function newSum(): Sum {
  return { nanoUsd: 0n, inputTokens: 0, outputTokens: 0, requests: 0 };
}

function add(sum: Sum, charge: Charge, sign: 1 | -1): void {
  if (charge.nanoUsd !== 0) sum.nanoUsd += BigInt(sign * charge.nanoUsd);
  sum.inputTokens += sign * charge.inputTokens;
  sum.outputTokens += sign * charge.outputTokens;
  sum.requests += sign * charge.requests;
}

function isZero({ nanoUsd, inputTokens, outputTokens, requests }: Sum): boolean {
  return nanoUsd === 0n && inputTokens === 0 && outputTokens === 0 && requests === 0;
}

function isPositive({ nanoUsd, inputTokens, outputTokens, requests }: Sum): boolean {
  return nanoUsd >= 0n && inputTokens >= 0 && outputTokens >= 0 && requests >= 0;
}

function rowOf(account: string, window: LimitWindow, startUs: Micros, { posted }: Balance): BalanceRow {
  return { account, window, startUs, ...posted, nanoUsd: posted.nanoUsd.toString() };
}
