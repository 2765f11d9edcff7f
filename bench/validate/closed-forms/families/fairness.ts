import { vtcServiceBound } from "../../../../src/simulator/queueing-theory/fairness.ts";
import type { Case } from "../case.ts";

/** Of Llama-7B on an A10G, and the longest prompt that the station sends. */
const POOL_TOKENS = 10_000;
const PROMPT_TOKENS_MAX = 1_024;
const STEPS = 20_000;

/** Two tenants that always wait: VTC keeps their services within a bound. */
export function fairnessCases(): Case[] {
  const expected = vtcServiceBound({
    promptWeight: 1,
    outputWeight: 2,
    promptTokensMax: PROMPT_TOKENS_MAX,
    poolTokens: POOL_TOKENS,
  });
  return [
    {
      what: "two tenants under VTC",
      note: "core queue; the most of any seed",
      checks: [{ figure: "difference", what: "service ≤", expected, isBound: true }],
      requests: STEPS,
      runs: (seed, steps) => [
        { station: "fairness", options: { seed, fairness: "vtc", poolTokens: POOL_TOKENS, steps } },
      ],
    },
  ];
}
