import type { Calendar } from "../core/budget/calendar.ts";
import type { BalanceRow, TrackedWindow } from "../core/budget/accounts.ts";
import { pathOf } from "../core/budget/paths.ts";
import type { Charge } from "../core/budget/charge.ts";
import type { Sum } from "../core/budget/limits.ts";
import { add, newBalance, newSum, rowOf } from "../core/budget/sums.ts";
import type { LimitWindow } from "../core/budget/windows.ts";
import { type Micros, seconds } from "../core/units.ts";

/** A part of what was posted, or of what an adjust corrects, by when it was held. */
export interface Share {
  account: string;
  model: string;
  atUs: Micros;
  charge: Charge;
}

/** What one account itself used of one model, of what was held in one quarter of an hour of UTC. */
export interface QuarterUse {
  account: string;
  model: string;
  quarterUs: Micros;
  sum: Sum;
}

const QUARTER_US = seconds(900);

/** The quarter of an hour that an instant is in, by its first instant; and its last one. */
export function quarterOf(atUs: Micros): Micros {
  return atUs - (atUs % QUARTER_US);
}

export function lastOfQuarter(quarterUs: Micros): Micros {
  return quarterUs + QUARTER_US - 1;
}

export function sumByQuarter(shares: Iterable<Share>): QuarterUse[] {
  const uses = new Map<string, QuarterUse>();
  for (const { account, model, atUs, charge } of shares) {
    const quarterUs = quarterOf(atUs);
    const place = `${quarterUs} ${account} ${model}`;
    let use = uses.get(place);
    if (use === undefined) uses.set(place, (use = { account, model, quarterUs, sum: newSum() }));
    add(use.sum, charge, 1);
  }
  return [...uses.values()];
}

/** For every account on the paths of the shares, in each of the windows that `windowsOf` says are counted for it. */
export function sumByWindow(
  shares: Iterable<Share>,
  { calendar, windowsOf }: { calendar: Calendar; windowsOf: (account: string) => Iterable<LimitWindow> },
): BalanceRow[] {
  const balances = new Map<string, Omit<BalanceRow, keyof Sum> & ReturnType<typeof newBalance>>();
  for (const share of shares) {
    for (const account of pathOf(share.account)) {
      for (const window of windowsOf(account)) {
        const { startUs } = calendar.span(window, share.atUs);
        const place = `${startUs} ${window} ${account}`;
        let balance = balances.get(place);
        if (balance === undefined) {
          balances.set(place, (balance = { account, window, startUs, ...newBalance() }));
        }
        add(balance.posted, share.charge, 1);
      }
    }
  }
  return Array.from(balances.values(), ({ account, window, startUs, ...balance }) => {
    return rowOf({ account, window, startUs }, balance);
  });
}

/** Windows by account. */
export function groupWindows(windows: Iterable<TrackedWindow>): Map<string, LimitWindow[]> {
  const grouped = new Map<string, LimitWindow[]>();
  for (const { account, window } of windows) {
    const others = grouped.get(account);
    if (others === undefined) grouped.set(account, [window]);
    else if (!others.includes(window)) others.push(window);
  }
  return grouped;
}
