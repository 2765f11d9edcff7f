import type { DatabaseSync } from "node:sqlite";
import { Accounts } from "../core/budget/accounts.ts";
import { formatAmount } from "../core/budget/limits.ts";
import { pathOf } from "../core/budget/paths.ts";
import { formatUsd } from "../core/budget/money.ts";
import type { Micros } from "../core/units.ts";
import { isWithin, ROOT } from "../keys/account-path.ts";
import { readKeys } from "../keys/key-table.ts";
import { readLimits } from "../ledger/limit-table.ts";
import { readState } from "../ledger/restore.ts";
import { consistently } from "../ledger/transaction.ts";

/** One account of the tree, and what it and all below it used since ever. */
export interface AccountLine {
  account: string;
  level: "root" | "tenant" | "project" | "key" | "agent" | "task";
  /** Limits of its own. */
  limits: number;
  used_usd: string;
  held_usd: string;
  requests: number;
  input_tokens: number;
  output_tokens: number;
  /** To the microsecond. */
  gpu_seconds: string;
}

/** Whoever has spent, has a key or has a limit, with all above them: in order of their paths, each after the one above it. */
export function accountLines(database: DatabaseSync, top: string, nowUs: Micros): AccountLine[] {
  return consistently(database, () => {
    const accounts = new Accounts(readState(database));
    const keys = new Set(readKeys(database, { after: 0 }).map(({ account }) => account));
    const limits = new Map<string, number>();
    for (const { account, amount } of readLimits(database, { after: 0 }).limits) {
      if (amount !== null) limits.set(account, (limits.get(account) ?? 0) + 1);
    }
    const names = new Set([...accounts.names, ...keys, ...limits.keys()].flatMap(pathOf));
    const within = [...names].filter((name) => isWithin(name, top)).sort(byLevels);
    return within.map((account): AccountLine => {
      const { posted, held } = accounts.balance(account, "total", nowUs);
      return {
        account,
        level: levelOf(account, keys),
        limits: limits.get(account) ?? 0,
        used_usd: formatUsd(posted.nanoUsd),
        held_usd: formatUsd(held.nanoUsd),
        requests: posted.requests,
        input_tokens: posted.inputTokens,
        output_tokens: posted.outputTokens,
        gpu_seconds: formatAmount("gpu_seconds", BigInt(posted.gpuUs)),
      };
    });
  });
}

/** Level by level: `a/b` comes before `a-b`, which text alone would put first. */
function byLevels(a: string, b: string): number {
  const [first, second] = [a.split("/"), b.split("/")];
  for (const [i, name] of first.entries()) {
    const other = second[i];
    if (other === undefined) return 1;
    if (name !== other) return name < other ? -1 : 1;
  }
  return first.length - second.length;
}

function levelOf(account: string, keys: ReadonlySet<string>): AccountLine["level"] {
  if (account === ROOT) return "root";
  const path = pathOf(account);
  const keyAt = path.findIndex((name) => keys.has(name));
  const below = path.length - 1 - keyAt;
  if (keyAt === -1) return path.length === 2 ? "tenant" : "project";
  if (below === 0) return "key";
  return below === 1 ? "agent" : "task";
}
