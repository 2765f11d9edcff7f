import type { Packet } from "../request.ts";
import type { TokenUsage } from "../vocabulary.ts";
import type { Charge } from "./charge.ts";
import { costOf } from "./money.ts";

/** What a packet is charged for that use. The request itself counts with its first packet, once. */
export function chargeFor(packet: Packet, usage: TokenUsage): Charge {
  const { request, choice } = packet;
  const requests = choice === 0 && request.charged.requests === 0 ? 1 : 0;
  return {
    nanoUsd: costOf(request.price, usage, requests),
    inputTokens: usage.promptTokens,
    outputTokens: usage.completionTokens,
    requests,
  };
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
