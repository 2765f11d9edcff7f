import type { HeadgateError } from "../errors.ts";
import type { Attempt, Packet, Request } from "../request.ts";
import type { Micros } from "../units.ts";
import type { Charge, TokenUsage } from "../vocabulary.ts";
import type { Outcome, SettledRecord } from "./record.ts";

/** What a packet is charged for one attempt's use. The request itself is counted once, with its first packet. */
export function chargeFor(packet: Packet, usage: TokenUsage): Charge {
  return {
    inputTokens: usage.promptTokens,
    outputTokens: usage.completionTokens,
    requests: packet.choice === 0 ? 1 : 0,
  };
}

/** The most a packet can come to. */
export function worstCaseOf(packet: Packet): Charge {
  const { arrival, maxTokens } = packet.request;
  return chargeFor(packet, {
    promptTokens: arrival.promptTokensMax,
    cachedTokens: 0,
    completionTokens: maxTokens * packet.choices,
  });
}

/** Whether the endpoint has begun to work on the attempt, so that there is something to charge. */
export function hasUse(attempt: Attempt): boolean {
  return attempt.prompt !== null || attempt.generatedTokens > 0;
}

/** All choices together; their common prompt counts once. */
export function totalUsage(packets: readonly Packet[]): TokenUsage {
  const total: TokenUsage = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 };
  for (const { usage } of packets) {
    total.promptTokens = Math.max(total.promptTokens, usage.promptTokens);
    total.cachedTokens = Math.max(total.cachedTokens, usage.cachedTokens);
    total.completionTokens += usage.completionTokens;
  }
  return total;
}

/** The one record of a request's life. */
export function recordOf(
  request: Request,
  end: { nowUs: Micros; outcome: Outcome; error: HeadgateError | null },
): SettledRecord {
  const { arrival, arrivedUs, packets } = request;
  const slowest = packets.reduce<Packet | null>(
    (last, packet) => (last === null || packet.stageSinceUs > last.stageSinceUs ? packet : last),
    null,
  );
  return {
    request: request.id,
    tenant: arrival.tenant,
    model: request.model,
    outcome: end.outcome,
    code: end.error?.code ?? null,
    reason: end.error?.reason ?? null,
    message: end.error?.message ?? null,
    arrivedUs,
    totalUs: end.nowUs - arrivedUs,
    ttftUs: request.firstTokenUs === null ? null : request.firstTokenUs - arrivedUs,
    stagesUs: slowest === null ? {} : slowest.stagesUs,
    packets: packets.length,
    attempts: packets.reduce((sum, packet) => sum + packet.attempts, 0),
    workers: request.workers,
    usage: totalUsage(packets),
  };
}
