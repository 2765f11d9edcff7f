import { isRemote, takesCredit } from "../fleet/worker.ts";
import type { Attempt, Packet, Request } from "../request.ts";
import { usageSoFar } from "../request.ts";
import type { HeadgateError } from "../errors.ts";
import type { Use } from "../budget/use.ts";
import { chargeFor } from "../budget/coverage.ts";
import type { Micros } from "../units.ts";
import type { FailureReason, TokenUsage } from "../vocabulary.ts";
import type { Outcome, SettledRecord } from "./record.ts";

/** Failures in which the endpoint has not taken the work on, so that it bills nothing. */
const UNBILLED: ReadonlySet<FailureReason> = new Set<FailureReason>([
  "unreachable",
  "at_capacity",
  "endpoint_error",
  "request_rejected",
  "context_length_exceeded",
]);

/** Whether the endpoint has begun to work on the attempt. */
export function hasBegun(attempt: Attempt): boolean {
  return attempt.hasStarted || attempt.generatedTokens > attempt.carriedTokens;
}

/** Whether there is something to charge: its own work, or that of those whose answer it goes on with. */
export function hasUse(attempt: Attempt): boolean {
  return attempt.prompt !== null || attempt.generatedTokens > 0;
}

/**
 * What an attempt that has not come to its end is charged. A remote API that was working without
 * having shown anything bills all the same, and nobody knows how much; nor what one has thought of which a price for
 * reasoning says that it does.
 */
export function useOf(attempt: Attempt, failure: FailureReason | null): Use {
  const { packet, endpoint } = attempt;
  const isBilled = isRemote(endpoint.worker) && !(failure !== null && UNBILLED.has(failure));
  const thinksUnseen = packet.request.price.reasoning !== undefined;
  if (!hasUse(attempt)) return isBilled ? "unknown" : "none";
  return isBilled && thinksUnseen ? "unknown" : chargeFor(packet, usageSoFar(attempt));
}

/** Nobody generates more in one answer, whatever they say. */
const TOKENS_MAX = 1_000_000_000;

/**
 * What an endpoint says of an attempt, as far as it can be true. An engine that we meter has not read
 * more than the prompt's bound, nor generated more than it was granted; what others bill beyond what
 * was held is theirs to say.
 */
export function credibleUsage(attempt: Attempt, usage: TokenUsage): TokenUsage {
  const { packet, endpoint, creditTokens, streams } = attempt;
  const isMetered = takesCredit(endpoint.worker);
  // Whoever goes on with an answer has not read its prompt, or has read it once more.
  const prompt = packet.carried?.prompt ?? null;
  const promptTokensMax = isMetered ? packet.request.arrival.promptTokensMax : TOKENS_MAX;
  const promptTokens = Math.min(usage.promptTokens, promptTokensMax);
  const completionTokensMax = isMetered ? creditTokens * streams.length : TOKENS_MAX;
  const completionTokens = Math.min(usage.completionTokens, completionTokensMax);
  const { reasoningTokens } = usage;
  return {
    ...usage,
    promptTokens: prompt?.tokens ?? promptTokens,
    cachedTokens: prompt?.cached ?? Math.min(usage.cachedTokens, promptTokens),
    completionTokens,
    ...(reasoningTokens === undefined
      ? {}
      : { reasoningTokens: Math.min(reasoningTokens, completionTokens) }),
  };
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
    key: arrival.key,
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
    attempts: request.workers.length,
    hedges: request.hedges,
    migrations: request.migrations,
    profile: request.profile,
    workers: request.workers,
    usage: totalUsage(packets),
    charged: request.charged,
  };
}
