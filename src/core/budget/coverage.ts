import type { Packet } from "../request.ts";
import type { TokenUsage } from "../vocabulary.ts";
import type { Charge } from "./charge.ts";
import { costOf, forPromptOf, worstUsage } from "./money.ts";

/**
 * What a packet is charged for that use, as far as it has not been already, but for GPU time. The request itself counts
 * with its first packet, once; a prompt that has to be read again because its worker died counts once, too.
 */
export function chargeFor(packet: Packet, total: TokenUsage): Charge {
  const { request, choice, paid } = packet;
  const requests = choice === 0 && request.charged.requests === 0 ? 1 : 0;
  const usage = paid.promptTokens + paid.completionTokens === 0 ? total : beyond(total, paid);
  return {
    // The rest of an answer costs what its whole prompt makes it cost.
    nanoUsd: costOf(forPromptOf(request.price, total.promptTokens), usage, requests),
    inputTokens: usage.promptTokens,
    cachedTokens: usage.cachedTokens,
    outputTokens: usage.completionTokens,
    reasoningTokens: usage.reasoningTokens ?? 0,
    requests,
    gpuUs: 0,
  };
}

function beyond(total: TokenUsage, paid: TokenUsage): TokenUsage {
  const completionTokens = Math.max(0, total.completionTokens - paid.completionTokens);
  const thought = Math.max(0, (total.reasoningTokens ?? 0) - (paid.reasoningTokens ?? 0));
  const reasoningTokens = Math.min(thought, completionTokens);
  return { ...total, promptTokens: 0, cachedTokens: 0, completionTokens, reasoningTokens };
}

/** The most a packet can come to with that many output tokens for each choice. Which of them will be of what kind, it does not say. */
export function worstCaseOf(packet: Packet, tokens: number): Charge {
  const { arrival, price } = packet.request;
  const most = { promptTokens: arrival.promptTokensMax, completionTokens: tokens * packet.choices };
  return { ...chargeFor(packet, worstUsage(price, most)), cachedTokens: 0, reasoningTokens: 0 };
}

/** The largest number from `least` to `most` that fits, where whatever is below one that fits does too; null when none does. */
export function mostTokens(
  { least, most }: { least: number; most: number },
  fits: (tokens: number) => boolean,
): number | null {
  if (least > most || !fits(least)) return null;
  let low = least;
  let high = most;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}
