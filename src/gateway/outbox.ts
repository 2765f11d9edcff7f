import type { UpstreamCall } from "../backends/upstream.ts";

/**
 * What the pieces of an outbox are:
 * - `text`: generated text, which we frame for the client;
 * - `frames`: server-sent events of a remote API, relayed as they came;
 * - `document`: the whole answer of a remote API that was asked not to stream.
 */
export type PieceFormat = "text" | "frames" | "document";

interface Piece {
  tokens: number;
  text: string;
}

/**
 * What one attempt has produced and the client has not been given yet. The endpoint pushes
 * pieces; the core grants tokens, as far as holds cover them; only granted pieces come out.
 *
 * A piece without tokens (the rest of a character, a closing frame) belongs to the token
 * before it and comes out with it.
 */
export class Outbox {
  readonly attempt: string;
  /** The variant that the attempt was sent to. */
  readonly model: string;
  readonly format: PieceFormat;
  /** Where the pieces come from, to be paused when the client does not read; null until it is known. */
  source: UpstreamCall | null = null;
  /** True once the endpoint has ended the answer by itself. */
  isComplete = false;
  #pieces: Piece[] = [];
  #next = 0;
  #grantedTokens = 0;

  constructor(options: { attempt: string; model: string; format: PieceFormat }) {
    this.attempt = options.attempt;
    this.model = options.model;
    this.format = options.format;
  }

  push(tokens: number, text: string): void {
    this.#pieces.push({ tokens, text });
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
      taken += piece.text;
      this.#next += 1;
      piece = this.#pieces[this.#next];
    }
    if (piece === undefined) {
      this.#pieces = [];
      this.#next = 0;
    }
    return taken;
  }
}
