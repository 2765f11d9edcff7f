import type { BalanceRow } from "./accounts.ts";
import type { Charge } from "./charge.ts";
import type { Sum } from "./limits.ts";

/** What has been used and what is promised, in one window of one account and all accounts below it. */
export interface Balance {
  readonly posted: Sum;
  readonly held: Sum;
}

export function newBalance(): Balance {
  return { posted: newSum(), held: newSum() };
}

export function newSum(): Sum {
  return {
    nanoUsd: 0n,
    inputTokens: 0,
    cachedTokens: 0,
    outputTokens: 0,
    reasoningTokens: 0,
    requests: 0,
    gpuUs: 0,
  };
}

export function add(sum: Sum, charge: Charge, sign: 1 | -1): void {
  if (charge.nanoUsd !== 0) sum.nanoUsd += BigInt(sign * charge.nanoUsd);
  sum.inputTokens += sign * charge.inputTokens;
  sum.cachedTokens += sign * charge.cachedTokens;
  sum.outputTokens += sign * charge.outputTokens;
  sum.reasoningTokens += sign * charge.reasoningTokens;
  sum.requests += sign * charge.requests;
  sum.gpuUs += sign * charge.gpuUs;
}

export function addSum(sum: Sum, more: Sum): void {
  sum.nanoUsd += more.nanoUsd;
  sum.inputTokens += more.inputTokens;
  sum.cachedTokens += more.cachedTokens;
  sum.outputTokens += more.outputTokens;
  sum.reasoningTokens += more.reasoningTokens;
  sum.requests += more.requests;
  sum.gpuUs += more.gpuUs;
}

export function isZero(sum: Sum): boolean {
  const { nanoUsd, inputTokens, cachedTokens, outputTokens, reasoningTokens, requests, gpuUs } = sum;
  const isFree = nanoUsd === 0n && requests === 0 && gpuUs === 0;
  return isFree && inputTokens === 0 && cachedTokens === 0 && outputTokens === 0 && reasoningTokens === 0;
}

/** What was posted, as a row to store. */
export function rowOf(
  place: Pick<BalanceRow, "account" | "window" | "startUs">,
  { posted }: Balance,
): BalanceRow {
  return { ...place, ...posted, nanoUsd: posted.nanoUsd.toString() };
}

export function sumOf(row: BalanceRow): Sum {
  const { nanoUsd, inputTokens, cachedTokens, outputTokens, reasoningTokens, requests, gpuUs } = row;
  return {
    nanoUsd: BigInt(nanoUsd),
    inputTokens,
    cachedTokens,
    outputTokens,
    reasoningTokens,
    requests,
    gpuUs,
  };
}
