import type { EngineProfile } from "../../../src/simulator/engine-profiles/engine-profile.ts";
import { A10G_LLAMA_7B } from "../../../src/simulator/engine-profiles/vtc-artifact.ts";

/** What a client that runs anything takes of the pool, in tokens: four times the rank of its adapter, which is 8. */
const ADAPTER_TOKENS = 32;

/** Preparing a batch of prompts, sampling, and merging it into the one that runs. */
const PREFILL_OVERHEAD_US = 28_000;
/** Kernels are launched one by one from Python, however few sequences there are. */
const STEP_US_MIN = 39_500;

/**
 * The server that the artifact measured: S-LoRA, on LightLLM, with the computing of adapters switched off. The profile says
 * how long the model takes where batches are full; from the artifact's code and its other measurements we add
 *
 * - the room that is set aside for adapters all the same, here for as many clients as run at a time;
 * - what a batch of prompts and a step take beyond the model's own time. Both figures are fitted to the total times and
 *   latencies of the artifact's nine synthetic runs of FCFS; the trace that is reproduced is none of them.
 *
 * Prompts there are two tokens longer than is written, which is left out. The rest is the profile's: prompts are read in steps
 * of their own of up to 3,072 tokens, at most every ten steps, and admitted by the peak that all lengths will come to.
 * What does not fit is refused, and so waits in the supervisor's fair queue, where the artifact's policies decide too.
 */
export function artifactServer(clientsAtATime: number): EngineProfile {
  const [prefillUs, ...perToken] = A10G_LLAMA_7B.prefillUs;
  return {
    ...A10G_LLAMA_7B,
    kvTokens: A10G_LLAMA_7B.kvTokens - ADAPTER_TOKENS * clientsAtATime,
    prefillUs: [prefillUs + PREFILL_OVERHEAD_US, ...perToken],
    stepUsMin: STEP_US_MIN,
  };
}
