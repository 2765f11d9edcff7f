import { type Micros, seconds } from "../units.ts";
import { Accounts, type BalanceRow, type LedgerState, type TrackedWindow, trackedOf } from "./accounts.ts";
import type { ZoneRules } from "./calendar.ts";
import { HELD, POSTED, type Slot } from "./counts.ts";
import type { LedgerEntry } from "./ledger-entry.ts";
import type { LimitRow, LimitUnit } from "./limits.ts";
import { type LimitInForce, LimitTree } from "./limit-tree.ts";
import { RecentPosts } from "./recent-posts.ts";
import { isZero } from "./sums.ts";

/** What others know of windows that a limit is set for: what was posted in them, through that entry. */
export interface Known {
  zones: readonly ZoneRules[];
  used: readonly BalanceRow[];
  through: number;
}

/** So often instances that are over are forgotten, of so many accounts. */
const FORGETTING_US = seconds(0.1);
const FORGOTTEN_AT_ONCE = 100;
/** What most entries say. */
const PLAIN = { overage: null, inDoubt: false, parts: null } as const satisfies Partial<LedgerEntry>;

/** Every balance, and the limits that are set for them, which may come and go while entries are on their way to the disk. */
export class LimitedAccounts {
  readonly accounts: Accounts;
  readonly limits = new LimitTree();
  readonly #recent = new RecentPosts();
  readonly #keptUs: Micros;
  readonly #countsWindows: boolean;
  #clockUs: Micros;
  #forgetUs: Micros = 0;

  /** Instances of windows are forgotten `keptUs` after their end; whoever does not count all that is used counts none. */
  constructor(
    state?: LedgerState,
    { keptUs = 0, countsWindows = true }: { keptUs?: Micros; countsWindows?: boolean } = {},
  ) {
    this.#keptUs = keptUs;
    this.#countsWindows = countsWindows;
    this.accounts = new Accounts(state, ({ sequence, account }, atUs, charge) => {
      this.#recent.add({ sequence, account, atUs, charge });
    });
    this.#clockUs = this.accounts.clockUs;
  }

  /** The ledger's clock: it stands still where the machine's goes back. */
  clock(nowUs: Micros): Micros {
    this.#clockUs = Math.max(nowUs, this.#clockUs);
    if (this.#clockUs >= this.#forgetUs) {
      this.accounts.forgetSome(this.#clockUs - this.#keptUs, FORGOTTEN_AT_ONCE);
      this.#forgetUs = this.#clockUs + FORGETTING_US;
    }
    return this.#clockUs;
  }

  /** Replaces limits by account, unit and window. What is already held stays held, and what was used in the window counts. */
  setLimits(rows: readonly LimitRow[], known: Known): void {
    this.accounts.learn(known.zones);
    const used = Map.groupBy(known.used, windowOf);
    for (const { account, unit, window, amount, thresholds = [] } of rows) {
      if (amount === null) {
        this.limits.remove(account, { unit, window });
        continue;
      }
      const at = this.accounts.account(account);
      const isCounted = window !== "total" && this.#countsWindows;
      if (isCounted)
        this.#track({ account, window }, { posted: used.get(windowOf({ account, window })), ...known });
      const counted = isCounted ? trackedOf(at, window) : null;
      this.limits.set(at, { unit, window, amount: BigInt(amount), thresholds }, counted);
    }
  }

  /** The file has everything through that entry. */
  durable(through: number): void {
    this.#recent.forgetThrough(through);
  }

  /** Adds the next entry, with its place in the order of all. */
  append(
    step: Omit<LedgerEntry, "sequence" | keyof typeof PLAIN> & Partial<Pick<LedgerEntry, keyof typeof PLAIN>>,
  ): LedgerEntry {
    const sequence = this.accounts.sequence + 1;
    const entry: LedgerEntry = { ...PLAIN, ...step, sequence };
    this.accounts.apply(entry);
    return entry;
  }

  /** Posted and held under the limit at that instant. */
  usage(inForce: LimitInForce, atUs: Micros): { posted: bigint; held: bigint } {
    const { counts } = this.accounts;
    // A rolling window's sum lasts until the next one.
    const slot = slotOf(inForce, atUs);
    return {
      posted: counts.amount(inForce.unit, slot, POSTED),
      held: counts.amount(inForce.unit, slot, HELD),
    };
  }

  /** Held by an account and all below it, in a limit's unit. */
  readonly heldAt = (account: string, unit: LimitUnit): bigint => {
    return this.accounts.counts.amount(unit, this.accounts.account(account).total, HELD);
  };

  /** Whether anything was ever held or posted there or below. */
  isUsed(account: string): boolean {
    const { posted, held } = this.accounts.balance(account, "total", 0);
    return !isZero(posted) || !isZero(held);
  }

  /** When so much of what is posted under the limit no longer counts: at the end of the instance, or bucket by bucket. */
  freedAt({ counted, unit, limit }: LimitInForce, amount: bigint, atUs: Micros): Micros {
    const { calendar, counts } = this.accounts;
    let freedUs = calendar.span(limit.window, atUs).endUs;
    if (counted === null) return freedUs;
    const fromUs = calendar.countsFrom(counted.window, atUs);
    let left = amount;
    for (const { startUs, slot } of counted.instances.toSorted((a, b) => a.startUs - b.startUs)) {
      if (startUs < fromUs || left <= 0n) continue;
      left -= counts.amount(unit, slot, POSTED);
      freedUs = calendar.countsUntil(counted.window, startUs);
    }
    return freedUs;
  }

  /** Whether so much more clearly fits, whoever asks; as doubles go. */
  isPlenty(inForce: LimitInForce, needed: bigint, atUs: Micros): boolean {
    const used = this.accounts.counts.roughlyUsed(inForce.unit, slotOf(inForce, atUs));
    return used + Number(needed) < inForce.plenty;
  }

  #track(
    tracked: TrackedWindow,
    { posted = [], through }: { posted?: readonly BalanceRow[] | undefined; through: number },
  ): void {
    if (this.accounts.isTracked(tracked)) return;
    const startOf = (atUs: Micros): Micros => this.accounts.calendar.span(tracked.window, atUs).startUs;
    this.accounts.track(tracked, [...posted, ...this.#recent.rowsOf(tracked, { after: through, startOf })]);
  }
}

/** Posted and held, in the instance that contains that instant. */
function slotOf({ account, counted }: LimitInForce, atUs: Micros): Slot {
  return counted === null ? account.total : counted.at(atUs);
}

/** A name for a window of an account. */
function windowOf({ account, window }: TrackedWindow): string {
  return `${account} ${window}`;
}
