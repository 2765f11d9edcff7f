import type { KvShape } from "../core/fleet/kv.ts";

/**
 * The port between the worker and whatever evaluates its models. The worker decides who may
 * run and how far; an engine evaluates tokens when asked to and never otherwise.
 */
export interface Engine {
  readonly models: readonly EngineModel[];
  /** Frees all memory. No source may be open any more. */
  close(): Promise<void>;
}

export interface EngineModel {
  readonly description: ModelDescription;
  /** Counted since the model was loaded. */
  readonly counters: Readonly<EngineCounters>;
  /** Tokens of a conversation, ready for the model's answer. Throws {@link PromptError} or {@link PromptTooLongError}. */
  renderChat(messages: readonly ChatMessage[], tools?: readonly Tool[]): number[];
  /** Tokens of a whole prompt by one author, who may name special tokens in it. Throws {@link PromptTooLongError}. */
  tokenize(text: string): number[];
  /** Turns the tokens generated after `prompt` back into text. */
  detokenizer(prompt: readonly number[]): Detokenizer;
  /**
   * Takes a slot for each choice and picks the kept tokens to build on; null when there are too
   * few free slots. The prompt is evaluated once for all. Throws {@link GrammarError}, and
   * {@link NotContinuableError} when the answer can't go on from its tokens so far.
   */
  open(options: OpenOptions): TokenSource[] | null;
  /** Slots that keep tokens of ended generations, the longest unused first. */
  idle(): readonly IdleSlot[];
}

export interface ModelDescription {
  /** The variant's name. */
  name: string;
  /** Tokens of prompt and answer together that one slot can hold. */
  contextTokens: number;
  /** Generations that can be open at the same time. */
  slots: number;
  /** Token ids are below this. */
  vocabulary: number;
  /** No token stands for more bytes of text. */
  longestTokenBytes: number;
  /** Its file has a chat template: messages can be rendered. */
  isChatModel: boolean;
  kv: KvShape;
  /** SHA-256 of the model's file, or of samples of it where it is large; see `modelHash`. */
  modelHash: string;
  /** KV state goes from one context into another where this is equal. */
  stateFingerprint: string;
}

export interface EngineCounters {
  /** Tokens whose keys and values were computed, of prompts and answers. */
  evaluatedTokens: number;
  /** Prompt tokens asked for, and those found in a slot. */
  prefixQueryTokens: number;
  prefixHitTokens: number;
}

export interface ChatMessage {
  role: "system" | "user" | "assistant" | "tool";
  content: string;
  /** Of an assistant: what it called. */
  toolCalls?: readonly ToolCall[];
  /** Of a tool: which call this is the result of. */
  toolCallId?: string;
}

export interface ToolCall {
  id: string;
  name: string;
  /** JSON, as the model wrote it: perhaps not valid. */
  arguments: string;
}

/** A tool as OpenAI writes it, with whatever else its author put in. */
export interface Tool {
  type: "function";
  function: { name: string; [more: string]: unknown };
  [more: string]: unknown;
}

export interface Detokenizer {
  /**
   * Text that became complete with this token: "" while a character is incomplete. A character
   * that never becomes complete is left out. Takes any token of the vocabulary; never throws then.
   */
  push(token: number): string;
}

/** How the next token is chosen; every number says what it does when it is at its neutral value. */
export interface Sampling {
  /** 0 takes the likeliest token. */
  temperature: number;
  /** 1 keeps all tokens. */
  topP: number;
  /** 0 keeps all tokens. */
  topK: number;
  /** 0 keeps all tokens. */
  minP: number;
  /** Unsigned, 32 bits. */
  seed: number;
  /** Penalties count generated tokens, not the prompt. 0 for the first two, 1 for the last is none. */
  presencePenalty: number;
  frequencyPenalty: number;
  repetitionPenalty: number;
  /** Added to the logits of tokens: -100 to 100, where -100 bans a token and 100 forces it. */
  logitBias: ReadonlyMap<number, number>;
}

export interface OpenOptions {
  prompt: readonly number[];
  /** One for each choice. */
  samplings: readonly Sampling[];
  /** Prefers the slot this session used before, among those equally good. */
  session: string | null;
  /** Tokens that end an answer are generated like any other. */
  ignoreEnd: boolean;
  /** How many likeliest tokens to tell of beside the chosen one; null when nobody wants to know. */
  logprobs: number | null;
  /** In llama.cpp's notation (GBNF): the answer is a text of it, and ends with it. */
  grammar: string | null;
  /** The answer so far, where it was begun elsewhere; only with one choice. */
  generated: readonly number[];
  /** Where KV state may be had from; null evaluates what no slot holds. */
  stateSource: StateSource | null;
}

/**
 * Writes KV state into a file that is not there yet. False when there is none to be had; never
 * rejects. Gives up when the signal says that nobody needs it any more.
 */
export type StateSource = (path: string, signal: AbortSignal) => Promise<boolean>;

/**
 * One generation's tokens. It is pulled: while nobody calls `next`, nothing is evaluated, and
 * the sampler goes on later exactly where it was.
 */
export interface TokenSource {
  /** Tokens of prompt and answer so far that need no evaluation; the same for all choices of a prompt. */
  readonly cachedTokens: number;
  /** Some of them came with KV state from elsewhere. */
  readonly usedState: boolean;
  /** Of the token given out last; null unless asked for. */
  readonly logprob: ChosenLogprob | null;
  /** Evaluates the prompt, so that the first `next` has next to nothing to wait for. */
  prefill(): Promise<void>;
  /** The next token, or null when the model ended its answer. The first call evaluates the prompt. */
  next(): Promise<number | null>;
  /**
   * Writes the KV state into a file: of the prompt and of all tokens given out but the last.
   * Only between two calls of `next`, or after `prefill`. Rejects when it can't be written.
   */
  saveState(path: string): Promise<SavedState>;
  /**
   * Gives the slot back, after the token or the chunk of prompt that is being evaluated; a
   * pending `next` answers null then. What was evaluated stays in the slot.
   */
  close(): Promise<void>;
}

export interface TokenLogprob {
  id: number;
  /** As text, special tokens by their names; U+FFFD where a character is incomplete. */
  token: string;
  bytes: number[];
  /** Natural logarithm of the probability; {@link LOGPROB_MIN} when that is 0. */
  logprob: number;
}

export interface ChosenLogprob extends TokenLogprob {
  /** The likeliest first. */
  top: TokenLogprob[];
}

/** JSON has no -Infinity; this is what OpenAI writes for it. */
export const LOGPROB_MIN = -9999;

export interface SavedState {
  /** Tokens whose keys and values are in it. */
  tokens: number;
  /** Size of the file. */
  bytes: number;
}

export interface IdleSlot {
  /** What it keeps; the same array as long as that is the same. */
  tokens: readonly number[];
  idleSinceMs: number;
  kvBytes: number;
  /** Forgets the tokens. */
  free(): void;
}

/** The messages cannot be made into a prompt for this model. */
export class PromptError extends Error {
  override name = "PromptError";
}

/** The prompt has more tokens than the context; how many was not counted to the end. */
export class PromptTooLongError extends Error {
  override name = "PromptTooLongError";
}

/** The engine can't make anything of the grammar. */
export class GrammarError extends Error {
  override name = "GrammarError";
}

/** An answer can't go on from these tokens; the message says why. */
export class NotContinuableError extends Error {
  override name = "NotContinuableError";
}
