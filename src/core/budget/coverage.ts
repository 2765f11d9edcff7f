import type { Packet } from "../request.ts";
import type { TokenUsage } from "../vocabulary.ts";
import type { Charge } from "./charge.ts";
import { costOf } from "./money.ts";

/**
 * What a packet is charged for that use, as far as it has not been already. The request itself counts
 * with its first packet, once; a prompt that has to be read again because its worker died counts once, too.
 */
export function chargeFor(packet: Packet, total: TokenUsage): Charge {
  const { request, choice, paid } = packet;
  const requests = choice === 0 && request.charged.requests === 0 ? 1 : 0;
  const usage = paid.promptTokens + paid.completionTokens === 0 ? total : beyond(total, paid);
  return {
    nanoUsd: costOf(request.price, usage, requests),
    inputTokens: usage.promptTokens,
    outputTokens: usage.completionTokens,
    requests,
  };
}

function beyond(total: TokenUsage, paid: TokenUsage): TokenUsage {
  const completionTokens = Math.max(0, total.completionTokens - paid.completionTokens);
  return { promptTokens: 0, cachedTokens: 0, completionTokens };
}

/** The most a packet can come to with that many output tokens for each choice. */
export function worstCaseOf(packet: Packet, tokens: number): Charge {
  return chargeFor(packet, {
    promptTokens: packet.request.arrival.promptTokensMax,
    cachedTokens: 0,
    completionTokens: tokens * packet.choices,
  });
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
