import type { Account } from "./accounts.ts";
import { parentOf } from "./paths.ts";
import type { CountedWindow } from "./counted-window.ts";
import { type Limit, type LimitUnit, partOf } from "./limits.ts";

/** A limit, and where what it limits is counted: `counted` is null where that is all that the account has ever used. */
export interface LimitInForce {
  readonly account: Account;
  readonly limit: Limit;
  readonly unit: LimitUnit;
  readonly counted: CountedWindow | null;
  /** Where less than this is used, whoever asks has room: nobody has to look closer. */
  readonly plenty: number;
}

/** An account, with its limits and the way up to the root. */
interface Place {
  readonly above: Place | null;
  limits: readonly LimitInForce[];
}

const NO_LIMITS: readonly LimitInForce[] = [];

/** So much below a limit, what is lost where doubles are not exact changes nothing. */
const CLEARLY_BELOW = 1 - 1e-9;

/** The limits that are in force, by account: found without looking for those that have none. */
export class LimitTree {
  readonly #places = new Map<string, Place>();

  /** In place of the one of that unit and window, if there is one. */
  set(account: Account, limit: Limit, counted: CountedWindow | null): void {
    const percents = limit.thresholds.filter(({ action }) => action !== "notify").map((t) => t.percent);
    const plenty = Number(partOf(limit.amount, Math.min(100, ...percents))) * CLEARLY_BELOW;
    this.remove(account.name, limit);
    const place = this.#place(account.name);
    place.limits = [...place.limits, { account, limit, unit: limit.unit, counted, plenty }];
  }

  remove(account: string, { unit, window }: Pick<Limit, "unit" | "window">): void {
    const place = this.#place(account);
    place.limits = place.limits.filter(({ limit }) => limit.unit !== unit || limit.window !== window);
  }

  /** Null where there is no such limit. */
  find({ account, unit, window }: { account: string } & Pick<Limit, "unit" | "window">): LimitInForce | null {
    const limits = this.#places.get(account)?.limits ?? NO_LIMITS;
    return limits.find(({ limit }) => limit.unit === unit && limit.window === window) ?? null;
  }

  /** Every limit on the path, from the root down. */
  on(account: string): LimitInForce[] {
    const limits: LimitInForce[] = [];
    for (let place: Place | null = this.#place(account); place !== null; place = place.above)
      limits.unshift(...place.limits);
    return limits;
  }

  /** The same from the leaf up and each account's last one first, for those who ask often. */
  eachUpwards(account: string, visit: (inForce: LimitInForce) => void): void {
    for (let place: Place | null = this.#place(account); place !== null; place = place.above) {
      for (let i = place.limits.length - 1; i >= 0; i--) visit(place.limits[i]!);
    }
  }

  #place(account: string): Place {
    let place = this.#places.get(account);
    if (place === undefined) {
      const parent = parentOf(account);
      const above = parent === null ? null : this.#place(parent);
      this.#places.set(account, (place = { above, limits: NO_LIMITS }));
    }
    return place;
  }
}
