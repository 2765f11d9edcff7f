/**
 * What the pieces of an outbox are:
 * - `text`: generated text, which we frame for the client;
 * - `frames`: server-sent events of a remote API, relayed as they came;
 * - `document`: the whole answer of a remote API that was asked not to stream.
 */
export type PieceFormat = "text" | "frames" | "document";

/**
 * How generated text holds calls of tools:
 * - `none`: it is content, whatever it looks like;
 * - `marked`: each call stands in `<tool_call>…</tool_call>`, and what is around them is content;
 * - `only`: the whole text is one call, because a grammar left nothing else.
 */
export type ToolCallForm = "none" | "marked" | "only";

/** What stands around a call in text. */
export const CALL_START = "<tool_call>";
export const CALL_END = "</tool_call>";

/** Where pieces come from. */
export interface Source {
  /** Stop reading; the endpoint feels it as soon as the socket's buffers are full. */
  pause(): void;
  resume(): void;
  /** Close the connection. Harmless when all is over. */
  abort(): void;
}

/** A token that could have been generated. `bytes` are its own, which need not be whole characters. */
export interface TokenCandidate {
  id: number;
  token: string;
  bytes: number[];
  logprob: number;
}

/** A generated token, and what was likeliest in its place. */
export interface TokenLogprob extends TokenCandidate {
  top: TokenCandidate[];
}

/** Tokens, possibly none, and what the client will read of them. */
export interface Piece {
  tokens: number;
  /** What they can be at most, where they were not counted but seen. */
  tokensMax?: number;
  text: string;
  /** Of its tokens; null when nobody asked. */
  logprobs: TokenLogprob[] | null;
  /** Its tokens, where the endpoint tells them. */
  ids?: readonly number[];
}

export interface OutboxOptions {
  attempt: string;
  model: string;
  format: PieceFormat;
  toolCalls?: ToolCallForm;
}

/**
 * What one choice of one attempt has produced and the client has not been given yet. The endpoint
 * pushes pieces; the core grants tokens, as far as holds cover them; only granted pieces come out.
 *
 * A piece without tokens (the rest of a character, a closing frame) belongs to the token
 * before it and comes out with it.
 */
export class Outbox {
  readonly attempt: string;
  /** The variant that the attempt was sent to. */
  readonly model: string;
  readonly format: PieceFormat;
  readonly toolCalls: ToolCallForm;
  /** To be paused when the client does not read; null until it is known. */
  source: Source | null = null;
  /** True once the endpoint has ended this choice by itself. */
  isComplete = false;
  /** The tokens themselves, where the endpoint tells them: another one can go on from them. */
  readonly ids: number[] = [];
  /** The chunk in which a remote API told its usage, kept back until the cost is known. */
  usageChunk: string | null = null;
  #pieces: Piece[] = [];
  #next = 0;
  #grantedTokens = 0;
  #takenTokens = 0;
  #logprobs: TokenLogprob[] | null = null;

  constructor(options: OutboxOptions) {
    this.attempt = options.attempt;
    this.model = options.model;
    this.format = options.format;
    this.toolCalls = options.toolCalls ?? "none";
  }

  push(piece: Piece): void {
    this.#pieces.push(piece);
    // One by one, as they come: a spread copies them on to the stack.
    if (piece.ids !== undefined) for (const id of piece.ids) this.ids.push(id);
  }

  /**
   * Forgets what came behind the first so many tokens: tokens that no hold covered, and text that was kept back until
   * the answer ended, which it has not.
   */
  rewind(tokens: number): void {
    let end = this.#next;
    for (let count = this.#takenTokens; end < this.#pieces.length && count < tokens; end++) {
      count += this.#pieces[end]!.tokens;
    }
    this.#pieces.length = end;
    this.ids.length = Math.min(this.ids.length, tokens);
  }

  grant(tokens: number): void {
    this.#grantedTokens += tokens;
  }

  /** All pieces that are covered in full, joined. */
  takeGranted(): string {
    let taken = "";
    let piece = this.#pieces[this.#next];
    while (piece !== undefined && piece.tokens <= this.#grantedTokens) {
      this.#grantedTokens -= piece.tokens;
      this.#takenTokens += piece.tokens;
      taken += piece.text;
      if (piece.logprobs !== null) (this.#logprobs ??= []).push(...piece.logprobs);
      this.#next += 1;
      piece = this.#pieces[this.#next];
    }
    if (piece === undefined) {
      this.#pieces = [];
      this.#next = 0;
    }
    return taken;
  }

  /** Of the tokens taken since the last call; null when there are none. */
  takeLogprobs(): TokenLogprob[] | null {
    const logprobs = this.#logprobs;
    this.#logprobs = null;
    return logprobs;
  }
}
