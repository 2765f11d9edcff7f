/**
 * How long an engine takes, and how much it can hold: what `headgate calibrate` measures, or
 * published figures. Times in microseconds, lengths in tokens.
 *
 * step = prefill + decode, where prefill = p0 + Σ (p1·t + p2·t²) over the prompts that are read in the step (0 without
 * any) and decode = d0 + d1·batch + d2·Σcontext (0 without any). Of a prompt that is read in chunks, a chunk costs what
 * it adds: f(its end) − f(its beginning). Where an engine does both in one step, p0 and d0 count once: the larger of
 * the two. No step takes less than `stepUsMin`.
 */
export interface EngineProfile {
  name: string;
  /** Paper, data set or measurement that the figures are from. */
  source: string;
  prefillUs: readonly [base: number, perToken: number, perTokenSquared: number];
  decodeUs: readonly [base: number, perSequence: number, perContextToken: number];
  /** Other figures for decoding, from batches of that size on; none if absent. */
  decodeLarge?: {
    batchMin: number;
    decodeUs: readonly [base: number, perSequence: number, perContextToken: number];
  };
  /** Where the GPU waits for the program that feeds it, however little there is to do; nothing if absent. */
  stepUsMin?: number;
  /** Before a request reaches the engine's queue; nothing if absent. */
  queueUs?: readonly [base: number, perPromptToken: number];
  /** Between the end of a step and the moment its tokens go out, during which the engine goes on; nothing if absent. */
  outputUs?: number;
  /** Room for that many tokens in the KV cache, in blocks. */
  kvTokens: number;
  blockTokens: number;
  /** Sequences in one batch at most. */
  sequencesMax: number;
  contextTokens: number;
  /**
   * - `mixed`: each step reads at most `tokensPerStepMax` tokens, of running sequences first, then of prompts in chunks, of
   *   one prompt at most `promptTokensPerStepMax`. Where `lastTokenApart`, the last token of a prompt is read by itself, in the
   *   step after its last chunk, and costs what one of an answer does. Where `firstTokensTogether`, a step for several sequences
   *   does in two parts what it has to: one token of each sequence, as in answers, then what is left of the chunks;
   * - `alternating`: a step reads whole prompts, up to `tokensPerStepMax` tokens, or decodes; prompts are looked for every
   *   `decodeStepsBetween` steps of decoding, or when nothing runs.
   */
  batching:
    | {
        kind: "mixed";
        tokensPerStepMax: number;
        promptTokensPerStepMax?: number;
        lastTokenApart?: boolean;
        firstTokensTogether?: boolean;
      }
    | { kind: "alternating"; tokensPerStepMax: number; decodeStepsBetween: number };
  /**
   * - `prompt`, as where absent: a prompt is begun once its blocks are free; what grows too large is preempted later;
   * - `peak`: once all answers together would fit at the moment when they are largest, were each as long as it will be. What
   *   would have to wait for that is refused beyond one step's prompts, so that it waits in the scheduler.
   */
  admission?: "prompt" | "peak";
  prefixCache: boolean;
  /** From the start of the process until it can serve. */
  startUs: number;
  bytesPerKvToken: number;
}
