import type { DatabaseSync } from "node:sqlite";
import { formatAmount } from "../core/budget/limits.ts";
import { formatUsd } from "../core/budget/money.ts";
import { addSum, newSum } from "../core/budget/sums.ts";
import type { Micros } from "../core/units.ts";
import { readKeys } from "../keys/key-table.ts";
import { subtree } from "../ledger/known-account.ts";
import { consistently } from "../ledger/transaction.ts";
import { readUsage } from "../ledger/usage-table.ts";
import { rulesOf } from "../ledger/zone-table.ts";
import { inZone, instant } from "./budget-lines.ts";
import { addDoubt, type Dimension, type Doubt, type Group, Groups, newDoubt } from "./chargeback-groups.ts";
import { localDay, type PeriodTerms, readPeriod } from "./period.ts";

/** Who used how much of what. */
export interface Chargeback {
  /** It and all below it. */
  account: string;
  zone: string;
  /** The first instant that counts, and the one after the last, in the zone. */
  from: string;
  until: string;
  by: readonly Dimension[];
  /** In order of what they are told apart by. */
  lines: ChargebackLine[];
  total: Amounts;
}

/** Null where an account has no such level. Dimensions that are not told apart are absent. */
export type ChargebackLine = Partial<Record<Dimension, string | null>> & Amounts;

/** Money and GPU time as exact decimals. */
export interface Amounts {
  requests: number;
  input_tokens: number;
  cached_tokens: number;
  output_tokens: number;
  reasoning_tokens: number;
  /** Time of GPUs, to the microsecond. */
  gpu_seconds: string;
  usd: string;
  /** The part of `usd` that was charged in full because nobody knows yet what was used. */
  in_doubt_usd: string;
  /** The same of `gpu_seconds`. */
  in_doubt_gpu_seconds: string;
}

export interface ChargebackQuery {
  account: string;
  zone: string;
  period: PeriodTerms;
  by: readonly Dimension[];
  nowUs: Micros;
}

/** Adds up what was used in the period. Throws a `TermError` for what can't be asked. */
export function chargeback(database: DatabaseSync, query: ChargebackQuery): Chargeback {
  return consistently(database, () => {
    const { account, zone, period, by, nowUs } = query;
    const { startUs: fromUs, endUs: untilUs } = readPeriod(period, rulesOf(database, zone, nowUs), nowUs);
    const groups = new Groups(by, new Set(readKeys(database, { after: 0 }).map((key) => key.account)));
    const daysIn = by.includes("day") ? zone : null;
    const usage = {
      account,
      fromUs,
      untilUs,
      by: { depth: depthFor(by), model: by.includes("model"), daysIn },
    };
    for (const row of readUsage(database, usage)) addSum(groups.of(row).sum, row);
    for (const post of readInDoubt(database, { account, fromUs, untilUs })) {
      const day = daysIn === null ? null : localDay(post.heldAtUs, daysIn);
      addDoubt(groups.of({ ...post, day }).inDoubt, post);
    }
    const all = groups.inOrder;
    const total: Group = { names: [], sum: newSum(), inDoubt: newDoubt() };
    for (const { sum, inDoubt } of all) {
      addSum(total.sum, sum);
      addDoubt(total.inDoubt, inDoubt);
    }
    return {
      account,
      zone,
      from: inZone(instant(fromUs), zone),
      until: inZone(instant(untilUs), zone),
      by,
      lines: all.map((group) => ({
        ...Object.fromEntries(by.map((dimension, i) => [dimension, group.names[i] ?? null])),
        ...amountsOf(group),
      })),
      total: amountsOf(total),
    };
  });
}

/** How deep accounts have to be told apart. */
function depthFor(by: readonly Dimension[]): number | null {
  if (by.some((one) => one !== "tenant" && one !== "model" && one !== "day")) return Infinity;
  return by.includes("tenant") ? 2 : null;
}

interface DoubtfulUse extends Doubt {
  account: string;
  model: string;
  heldAtUs: Micros;
}

/** Posts in full that no receipt has corrected yet. */
function readInDoubt(
  database: DatabaseSync,
  { account, fromUs, untilUs }: { account: string; fromUs: Micros; untilUs: Micros },
): DoubtfulUse[] {
  const rows = database
    .prepare(
      `SELECT name, model, held_at_us, nano_usd, gpu_us FROM entries JOIN accounts ON accounts.id = entries.account
       WHERE in_doubt = 1 AND held_at_us >= :fromUs AND held_at_us < :untilUs AND ${subtree("name")}
         AND hold NOT IN (SELECT hold FROM entries WHERE operation = 'adjust')`,
    )
    .all({ account, fromUs, untilUs });
  return rows.map((row) => ({
    account: row["name"] as string,
    model: row["model"] as string,
    heldAtUs: row["held_at_us"] as number,
    nanoUsd: BigInt(row["nano_usd"] as number),
    gpuUs: BigInt(row["gpu_us"] as number),
  }));
}

function amountsOf({ sum, inDoubt }: Group): Amounts {
  return {
    requests: sum.requests,
    input_tokens: sum.inputTokens,
    cached_tokens: sum.cachedTokens,
    output_tokens: sum.outputTokens,
    reasoning_tokens: sum.reasoningTokens,
    gpu_seconds: formatAmount("gpu_seconds", BigInt(sum.gpuUs)),
    usd: formatUsd(sum.nanoUsd),
    in_doubt_usd: formatUsd(inDoubt.nanoUsd),
    in_doubt_gpu_seconds: formatAmount("gpu_seconds", inDoubt.gpuUs),
  };
}
