import type { DatabaseSync } from "node:sqlite";
import { Budget, type Remainder } from "../core/budget/budget.ts";
import { Accounts } from "../core/budget/accounts.ts";
import { formatUsd } from "../core/budget/money.ts";
import type { Micros } from "../core/units.ts";
import { readLimits } from "./limit-table.ts";
import { readState } from "./restore.ts";

/** What was used under every limit, and by whom there is none for. */
export interface BudgetReport {
  limits: Remainder[];
  /** USD in total of accounts that have used something and have no limit. */
  unlimited: { account: string; posted: bigint; held: bigint }[];
  /** Posted in full because nobody knows what was used. */
  inDoubt: { posts: number; usd: string };
  /** Charged beyond what was held. */
  overage: { posts: number; usd: string };
}

/** Reads the file as it stands; a supervisor may be writing to it. */
export function reportBudgets(database: DatabaseSync, nowUs: Micros): BudgetReport {
  const state = readState(database);
  const { limits } = readLimits(database, { after: 0 });
  const budget = new Budget(state);
  budget.setLimits(limits);
  const accounts = new Accounts(state);
  const limited = new Set(limits.filter(({ amount }) => amount !== null).map(({ account }) => account));
  const others = [...accounts.names].filter((name) => !limited.has(name)).sort();
  return {
    limits: [...limited].sort().flatMap((account) => {
      return budget.remainders(account, nowUs).filter((remainder) => remainder.account === account);
    }),
    unlimited: others.map((account) => {
      const { posted, held } = accounts.balance(account, "total", nowUs);
      return { account, posted: posted.nanoUsd, held: held.nanoUsd };
    }),
    inDoubt: {
      posts: state.inDoubt.length,
      usd: formatUsd(state.inDoubt.reduce((sum, { charge }) => sum + BigInt(charge.nanoUsd), 0n)),
    },
    overage: readOverage(database),
  };
}

function readOverage(database: DatabaseSync): BudgetReport["overage"] {
  const row = database
    .prepare(
      `SELECT count(*) AS posts, CAST(coalesce(sum(overage ->> 'nanoUsd'), 0) AS TEXT) AS nanoUsd
       FROM entries WHERE overage IS NOT NULL`,
    )
    .get()!;
  return { posts: row["posts"] as number, usd: formatUsd(BigInt(row["nanoUsd"] as string)) };
}
