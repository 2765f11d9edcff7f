import type { Accounts } from "../core/budget/accounts.ts";
import { pathOf } from "../core/budget/paths.ts";
import { type LimitRow, summedIn } from "../core/budget/limits.ts";
import type { Micros } from "../core/units.ts";
import type { NewAlert } from "./alert-table.ts";
import type { Share } from "./shares.ts";

/** A limit with `notify` thresholds. */
interface Watched {
  limit: LimitRow & { amount: string };
  /** By percent: the instance of the window that was alerted of last. */
  readonly alerted: Map<number, Micros>;
}

/**
 * Finds out when what was posted reaches a `notify` threshold. It looks at limits on the paths of what was posted since it
 * looked last, and at new ones once, so it costs what was done since, however many limits there are.
 */
export class AlertWatch {
  readonly #accounts: Accounts;
  readonly #watched = new Map<string, Watched[]>();
  /** To be looked at: by limit, the instants that something was posted at, one of each instance. */
  readonly #touched = new Map<Watched, Map<Micros, Micros>>();

  /** `accounts` has everything that is durable, and counts every window that a limit is for. */
  constructor(accounts: Accounts) {
    this.#accounts = accounts;
  }

  get isAnythingToLookAt(): boolean {
    return this.#touched.size > 0;
  }

  /** Replaces limits; as of now they are looked at, too. */
  setLimits(limits: readonly LimitRow[], nowUs: Micros): void {
    for (const limit of limits) {
      const { account, unit, window, amount, thresholds = [] } = limit;
      const others = (this.#watched.get(account) ?? []).filter((other) => {
        const isSame = other.limit.unit === unit && other.limit.window === window;
        if (isSame) this.#touched.delete(other);
        return !isSame;
      });
      if (amount !== null && thresholds.some(({ action }) => action === "notify")) {
        const watched = { limit: { ...limit, amount }, alerted: new Map<number, Micros>() };
        others.push(watched);
        this.#touch(watched, this.#now(nowUs));
      }
      if (others.length > 0) this.#watched.set(account, others);
      else this.#watched.delete(account);
    }
  }

  /** Takes down which limits that was posted under. */
  add(posted: readonly Share[]): void {
    if (this.#watched.size === 0) return;
    for (const { account, atUs } of posted) {
      for (const name of pathOf(account)) {
        for (const watched of this.#watched.get(name) ?? []) this.#touch(watched, atUs);
      }
    }
  }

  /** What is to be told that was not told before, as far as is known here. `nowUs` is by the machine's clock. */
  look(nowUs: Micros): NewAlert[] {
    const alerts: NewAlert[] = [];
    for (const [watched, instants] of this.#touched) {
      for (const [startUs, atUs] of instants)
        alerts.push(...this.#reached(watched, { startUs, atUs, nowUs }));
    }
    this.#touched.clear();
    return alerts;
  }

  #reached(
    { limit, alerted }: Watched,
    { startUs, atUs, nowUs }: { startUs: Micros; atUs: Micros; nowUs: Micros },
  ): NewAlert[] {
    const { account, unit, window, thresholds = [] } = limit;
    const amount = BigInt(limit.amount);
    // Of a rolling window it is always now that counts.
    const asOfUs = this.#isRolling(window) ? this.#now(nowUs) : atUs;
    const posted = summedIn(unit, this.#accounts.balance(account, window, asOfUs).posted);
    const alerts: NewAlert[] = [];
    for (const { action, percent } of thresholds) {
      if (action !== "notify" || !isReached({ amount, percent }, posted)) continue;
      if (alerted.get(percent) === startUs) continue;
      alerted.set(percent, startUs);
      alerts.push({ account, unit, window, startUs, percent, atUs: nowUs, amount, posted });
    }
    return alerts;
  }

  #touch(watched: Watched, atUs: Micros): void {
    let instants = this.#touched.get(watched);
    if (instants === undefined) this.#touched.set(watched, (instants = new Map()));
    instants.set(this.#instanceOf(watched.limit.window, atUs), atUs);
  }

  /** A rolling window has an instance in each of its lengths, for otherwise it would have one with every bucket. */
  #instanceOf(window: string, atUs: Micros): Micros {
    const { calendar } = this.#accounts;
    const spec = calendar.spec(window);
    if (spec.kind !== "rolling") return calendar.span(window, atUs).startUs;
    return atUs - (atUs % (spec.buckets * spec.bucketUs));
  }

  #isRolling(window: string): boolean {
    return this.#accounts.calendar.spec(window).kind === "rolling";
  }

  /** By the ledger's clock, which the machine's may be behind. */
  #now(nowUs: Micros): Micros {
    return Math.max(nowUs, this.#accounts.clockUs);
  }
}

/** Exact, for amounts of a few tokens or requests: 80 % of 1 are not reached by none. */
function isReached({ amount, percent }: { amount: bigint; percent: number }, posted: bigint): boolean {
  return posted > 0n && posted * 100n >= amount * BigInt(percent);
}
