import type { DatabaseSync } from "node:sqlite";
import { Accounts, type LedgerState } from "../core/budget/accounts.ts";
import { Budget } from "../core/budget/budget.ts";
import type { Remainder } from "../core/budget/shortage.ts";
import type { Known } from "../core/budget/limited-accounts.ts";
import { formatAmount, type LimitRow } from "../core/budget/limits.ts";
import { formatUsd } from "../core/budget/money.ts";
import type { Micros } from "../core/units.ts";
import { isWithin, ROOT } from "../keys/account-path.ts";
import { subtree } from "./known-account.ts";
import { readLimits } from "./limit-table.ts";
import { readState } from "./restore.ts";
import { groupWindows } from "./shares.ts";
import { consistently } from "./transaction.ts";
import { readKnown } from "./window-use.ts";

/** What was used under every limit, and by whom there is none for. */
export interface BudgetReport {
  limits: Remainder[];
  /** What is left of slices that are open, in each unit of theirs, and when they are closed by themselves. */
  slices: (Remainder & { expiresUs: Micros })[];
  /** USD in total of accounts that have used something and have no limit. */
  unlimited: { account: string; posted: bigint; held: bigint }[];
  /** Posted in full because nobody knows what was used. */
  inDoubt: { posts: number; usd: string; gpu_seconds: string };
  /** Charged beyond what was held. */
  overage: { posts: number; usd: string };
}

/** Reads the file as it stands, for that account and all below it; a supervisor may be writing to it. */
export function reportBudgets(database: DatabaseSync, nowUs: Micros, top: string = ROOT): BudgetReport {
  return consistently(database, () => {
    const state = readState(database);
    const { limits } = readLimits(database, { after: 0 });
    const budget = new Budget(state);
    budget.setLimits(limits, readUntracked(database, { state, limits, nowUs }));
    const accounts = new Accounts(state);
    const limited = new Set(limits.filter(({ amount }) => amount !== null).map(({ account }) => account));
    const slices = budget.slices.within(top);
    const told = new Set(slices.filter(({ amounts }) => amounts.nanoUsd > 0).map(({ account }) => account));
    const isOther = (name: string): boolean => !limited.has(name) && !told.has(name) && isWithin(name, top);
    const others = [...accounts.names].filter(isOther).sort();
    const inDoubt = state.inDoubt.filter(({ account }) => isWithin(account, top));
    return {
      limits: [...limited].sort().flatMap((account) => {
        if (!isWithin(account, top)) return [];
        return budget.remaindersOfLimits(account, nowUs).filter((remainder) => remainder.account === account);
      }),
      slices: slices
        .sort((a, b) => (a.account < b.account ? -1 : 1))
        .flatMap((slice) =>
          budget.remaindersOf(slice).map((remainder) => ({ ...remainder, expiresUs: slice.expiresUs })),
        ),
      unlimited: others.map((account) => {
        const { posted, held } = accounts.balance(account, "total", nowUs);
        return { account, posted: posted.nanoUsd, held: held.nanoUsd };
      }),
      inDoubt: {
        posts: inDoubt.length,
        usd: formatUsd(inDoubt.reduce((sum, { charge }) => sum + BigInt(charge.nanoUsd), 0n)),
        gpu_seconds: formatAmount(
          "gpu_seconds",
          inDoubt.reduce((sum, { charge }) => sum + BigInt(charge.gpuUs), 0n),
        ),
      },
      overage: readOverage(database, top),
    };
  });
}

/** Of limits that no supervisor has seen yet: their windows are not counted so far. */
function readUntracked(
  database: DatabaseSync,
  { state, limits, nowUs }: { state: LedgerState; limits: readonly LimitRow[]; nowUs: Micros },
): Known {
  const tracked = groupWindows(state.tracked);
  const windows = limits.filter(({ account, window, amount }) => {
    return amount !== null && window !== "total" && tracked.get(account)?.includes(window) !== true;
  });
  return readKnown(database, { windows, nowUs });
}

function readOverage(database: DatabaseSync, account: string): BudgetReport["overage"] {
  const row = database
    .prepare(
      `SELECT count(*) AS posts, CAST(coalesce(sum(overage ->> 'nanoUsd'), 0) AS TEXT) AS nanoUsd
       FROM entries JOIN accounts ON accounts.id = entries.account
       WHERE overage IS NOT NULL AND ${subtree("name")}`,
    )
    .get({ account })!;
  return { posts: row["posts"] as number, usd: formatUsd(BigInt(row["nanoUsd"] as string)) };
}
