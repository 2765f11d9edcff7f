import type { Receipt } from "../events.ts";
import type { TokenUsage } from "../vocabulary.ts";
import type { DoubtfulPost } from "./accounts.ts";
import type { Charge } from "./charge.ts";
import { type GpuShare, gpuTime } from "./gpu-time.ts";
import { isFirstUnder } from "./hold-ids.ts";
import { costOf, forPromptOf, type Price } from "./money.ts";

/**
 * What a post in doubt was for after all, by the receipt of whoever ran it. `place` is what of a GPU it took for each of its
 * choices: null where nobody knows, and then GPU time stays as it was posted.
 */
export function correctedBy(
  receipt: Receipt,
  { hold, charge: held }: Pick<DoubtfulPost, "hold" | "charge">,
  { price, place }: { price: Price; place: GpuShare | null },
): Charge {
  const { attempt, ranUs } = receipt;
  const { requests } = held;
  const usage = usageUnder(held, receipt);
  // Others that ran under the hold took time as well.
  const isWhole = ranUs !== undefined && place !== null && isFirstUnder(hold, attempt);
  return {
    nanoUsd: costOf(forPromptOf(price, receipt.usage.promptTokens), usage, requests),
    inputTokens: usage.promptTokens,
    cachedTokens: usage.cachedTokens,
    outputTokens: usage.completionTokens,
    reasoningTokens: 0,
    requests,
    gpuUs: isWhole ? gpuTime(ranUs, place) : held.gpuUs,
  };
}

/**
 * What the receipt says of the answer as far as the hold was for it: all of it, or, where the beginning had been posted
 * before, prompt included, the rest.
 */
function usageUnder(held: Charge, { usage, continuedFrom }: Receipt): TokenUsage {
  const total = { ...usage, completionTokens: continuedFrom + usage.completionTokens };
  if (continuedFrom === 0 || held.inputTokens > 0) return total;
  return { promptTokens: 0, cachedTokens: 0, completionTokens: usage.completionTokens };
}
