import type { TokenUsage } from "../../core/vocabulary.ts";

/** Tokens that follow each other: every token of a simulation is a number of its own. */
export interface TokenRange {
  first: number;
  count: number;
}

/** What an endpoint says about one attempt, in this order: started, output and choices finished …, then finished or failed. */
export type EngineMessage =
  | { kind: "started"; promptTokens: number; cachedTokens: number }
  /** `isEdge` where the supervisor is told; what is no edge waits at its side for the next that is one. */
  | { kind: "output"; choice: number; tokens: TokenRange; isEdge: boolean }
  | { kind: "choice_finished"; choice: number; finishReason: string }
  | { kind: "finished"; finishReason: string; usage: TokenUsage }
  /** Stopped between two tokens, as it was asked to; the worker keeps its state. */
  | { kind: "parked" };

/** One attempt under way: a prompt, and the answers that grow from it. */
export interface Generation {
  readonly attempt: string;
  readonly model: string;
  /** Places of its model, and how many of them it takes. */
  readonly slots: number;
  readonly places: number;
  readonly promptTokens: number;
  /** The prompt's beginning in blocks of `hashTokens` tokens: each number stands for its block and all before it. */
  readonly blocks: readonly number[];
  readonly hashTokens: number;
  /** Found in the prefix cache when the prompt was first begun. */
  cachedTokens: number;
  /** Tokens of the answer that another attempt has generated, and whether its KV state came with them. */
  readonly carriedTokens: number;
  readonly hasState: boolean;
  /** It ends, parked, when the prompt is read. */
  readonly isPrefillOnly: boolean;
  readonly streams: readonly Stream[];
  readonly hangsInPrefill: boolean;
  /** What a worker sets aside for it. */
  readonly kvBytes: number;
  /** What each stream may come to before it needs more credit, and whether the engine stops there. */
  creditTokens: number;
  /** Where the supervisor has to hear of it, so that more credit comes in time: half-way through what was granted last. */
  creditEdge: number;
  readonly stopsAtCredit: boolean;
  /** Tokens that are billed and were never generated. */
  readonly overbilledTokens: number;
  isPaused: boolean;
  readonly send: (message: EngineMessage) => void;
}

/** One answer in the making. */
export interface Stream {
  /** Tokens after which it ends by itself, and why it ends there. */
  readonly endsAtTokens: number;
  readonly finishReason: string;
  /** After how many tokens it stops without a word; Infinity when it does not. */
  readonly stallsAtTokens: number;
  /** How far it goes beyond its credit. */
  readonly overrunTokens: number;
  /** Steps that it begins after the prompt was read: choices are made from it one after the other. */
  waitSteps: number;
  /** The number of the answer's first token; the others follow. */
  readonly firstToken: number;
  generatedTokens: number;
  /** How many of those the supervisor was told of, and how many have left the engine. */
  toldTokens: number;
  sentTokens: number;
}

/** What a generation has come to, in tokens of output. */
export function generatedTokens({ streams }: Pick<Generation, "streams">): number {
  let sum = 0;
  for (const stream of streams) sum += stream.generatedTokens;
  return sum;
}

export function usageOf(generation: Generation): TokenUsage {
  const { promptTokens, cachedTokens, overbilledTokens } = generation;
  return { promptTokens, cachedTokens, completionTokens: generatedTokens(generation) + overbilledTokens };
}

export function isEnded({ generatedTokens: generated, endsAtTokens }: Stream): boolean {
  return generated >= endsAtTokens;
}

/** Tokens that the stream can come to as things are. */
export function reach({ stopsAtCredit, creditTokens }: Generation, stream: Stream): number {
  const { endsAtTokens, stallsAtTokens, overrunTokens } = stream;
  const whole = endsAtTokens < stallsAtTokens ? endsAtTokens : stallsAtTokens;
  if (!stopsAtCredit) return whole;
  const credit = creditTokens + overrunTokens;
  return credit < whole ? credit : whole;
}

/** More credit, as far as it is more. */
export function grant(generation: Generation, creditTokens: number): void {
  const more = creditTokens - generation.creditTokens;
  if (more <= 0) return;
  generation.creditTokens = creditTokens;
  generation.creditEdge = creditTokens - (more >> 1);
}
