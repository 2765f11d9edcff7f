import { formatAmount } from "../core/budget/limits.ts";
import { formatUsd } from "../core/budget/money.ts";
import { ERRORS } from "../core/errors.ts";
import type { SettledRecord } from "../core/settling/record.ts";
import { MICROS_PER_MILLI } from "../core/units.ts";
import type { Micros } from "../core/units.ts";
import type { Log } from "./log.ts";

/** One line for each request that is over: what became of it, who served it, and where the time went. */
export function logSettled(log: Log, record: SettledRecord): void {
  const stagesMs: Record<string, number> = {};
  for (const [stage, us] of Object.entries(record.stagesUs)) stagesMs[stage] = millis(us);
  const line = {
    request: record.request,
    tenant: record.tenant,
    key: record.key ?? undefined,
    model: record.model,
    stage: "settle",
    outcome: record.outcome,
    code: record.code ?? undefined,
    reason: record.reason ?? undefined,
    error: record.message ?? undefined,
    total_ms: millis(record.totalUs),
    ttft_ms: record.ttftUs === null ? undefined : millis(record.ttftUs),
    stages_ms: stagesMs,
    profile: record.profile === "" ? undefined : record.profile,
    attempts: record.attempts,
    hedges: record.hedges,
    migrations: record.migrations,
    workers: record.workers,
    prompt_tokens: record.usage.promptTokens,
    cached_tokens: record.usage.cachedTokens,
    completion_tokens: record.usage.completionTokens,
    gpu_seconds: Number(formatAmount("gpu_seconds", BigInt(record.charged.gpuUs))),
    cost_usd: formatUsd(BigInt(record.charged.nanoUsd)),
  };
  if (isOurTrouble(record)) log.warn(line, "request settled");
  else log.info(line, "request settled");
}

/** Clients that leave, or ask for what there is not, are no reason to look at the log. */
function isOurTrouble({ outcome, code }: SettledRecord): boolean {
  return outcome === "dropped" || (code !== null && ERRORS[code].status >= 500);
}

function millis(us: Micros): number {
  return us / MICROS_PER_MILLI;
}
