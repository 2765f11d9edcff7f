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
    if (action === "notify") continue;
    if (action === "hold_low_priority" && isUrgentEnough(priority, threshold.priority, rankOf)) continue;
    const part = partOf(amount, percent);
    if (part < least.amount) least = { amount: part, threshold };
  }
  return least;
}

/** Where the band that is named is not there, only the most urgent one is let through. */
function isUrgentEnough(priority: string | null, least: string | null, rankOf: RankOf): boolean {
  const usual = rankOf(null) ?? 0;
  return (rankOf(priority) ?? usual) <= (rankOf(least) ?? 0);
}
