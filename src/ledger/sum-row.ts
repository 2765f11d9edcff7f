import type { Sum } from "../core/budget/limits.ts";

/** A sum as it is read from a row; money as text, for it may be more than a number holds. */
export type SumRow = [
  nanoUsd: string,
  inputTokens: number,
  cachedTokens: number,
  outputTokens: number,
  reasoningTokens: number,
  requests: number,
  gpuUs: number,
];

export function toSum([
  nanoUsd,
  inputTokens,
  cachedTokens,
  outputTokens,
  reasoningTokens,
  requests,
  gpuUs,
]: SumRow): Sum {
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
