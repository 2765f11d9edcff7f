import { type Limit, partOf, type Threshold } from "./limits.ts";

/** How urgent a band is: the smaller, the more. A name that no band has, null for none. */
export type RankOf = (band: string | null) => number | null;

/**
 * What of a limit a request of that priority may take it to: all of the amount, or as much as a threshold leaves it.
 * The threshold is named where it is one that stands in the way.
 */
export function amountFor(
  { amount, thresholds }: Limit,
  priority: string | null,
  rankOf: RankOf,
): { amount: bigint; threshold: Threshold | null } {
  let least = { amount, threshold: null as Threshold | null };
  for (const threshold of thresholds) {
    const { action, percent } = threshold;
    if (action === "notify" || action === "shorten") continue;
    if (action === "hold_low_priority" && isUrgentEnough(priority, threshold.priority, rankOf)) continue;
    const part = partOf(amount, percent);
    if (part < least.amount) least = { amount: part, threshold };
  }
  return least;
}

/** The fewest tokens that an answer is shortened to where so much of the limit is used; null for as many as it likes. */
export function ceilingAt({ amount, thresholds }: Limit, used: bigint): number | null {
  let ceiling: number | null = null;
  for (const { percent, maxTokens } of thresholds) {
    if (maxTokens === undefined || used < partOf(amount, percent)) continue;
    if (ceiling === null || maxTokens < ceiling) ceiling = maxTokens;
  }
  return ceiling;
}

/** Where the band that is named is not there, only the most urgent one is let through. */
function isUrgentEnough(priority: string | null, least: string | null, rankOf: RankOf): boolean {
  const usual = rankOf(null) ?? 0;
  return (rankOf(priority) ?? usual) <= (rankOf(least) ?? 0);
}
