import { type Generation, isEnded, reach, type Stream } from "./generation.ts";

/**
 * What the supervisor is told of a stream, and when: at its edges. These are its first token, each `burstTokens` more, half
 * of its credit, the end of that, and its own end. Since what the supervisor does depends on edges alone, it does the
 * same where tokens are sent one by one.
 *
 * ```
 *   tokens of a stream:   told  ≤  sent  ≤  generated
 *                           └ = generated at an edge
 * ```
 */
export class Telling {
  readonly #burstTokens: number;
  readonly #perToken: boolean;

  /** See `EngineOptions`. */
  constructor(options: { burstTokens: number; perToken: boolean }) {
    this.#burstTokens = options.burstTokens;
    this.#perToken = options.perToken;
  }

  /** Tokens until the supervisor has to be told of the stream; 0 at an edge. */
  toEdge(generation: Generation, stream: Stream): number {
    const { generatedTokens: generated, toldTokens } = stream;
    const { creditEdge, stopsAtCredit, carriedTokens } = generation;
    const next = toldTokens === carriedTokens ? carriedTokens + 1 : toldTokens + this.#burstTokens;
    let left = Math.min(next, reach(generation, stream)) - generated;
    if (stopsAtCredit && creditEdge > toldTokens) left = Math.min(left, creditEdge - generated);
    return Math.max(0, left);
  }

  /**
   * Sends what has been generated: of streams that have come to an edge, or a token by itself on the way there. Returns
   * why the last choice ended once all have; that the generation has finished is for the caller to say.
   */
  send(generation: Generation): string | null {
    for (const [choice, stream] of generation.streams.entries()) {
      const isEdge = stream.generatedTokens > stream.toldTokens && this.toEdge(generation, stream) === 0;
      if (isEdge) this.sendRest(generation, choice);
      else if (this.#perToken) this.#sendTokens(generation, choice, false);
      if (!isEdge || !isEnded(stream)) continue;
      const { finishReason } = stream;
      if (generation.streams.every(isToldToItsEnd)) return finishReason;
      generation.send({ kind: "choice_finished", choice, finishReason });
    }
    return null;
  }

  /** Sends all that the choice has, edge or not. */
  sendRest(generation: Generation, choice: number): void {
    const stream = generation.streams[choice]!;
    if (stream.generatedTokens === stream.toldTokens) return;
    stream.toldTokens = stream.generatedTokens;
    this.#sendTokens(generation, choice, true);
  }

  #sendTokens(generation: Generation, choice: number, isEdge: boolean): void {
    const stream = generation.streams[choice]!;
    const count = stream.generatedTokens - stream.sentTokens;
    if (count === 0 && !isEdge) return;
    const tokens = { first: stream.firstToken + stream.sentTokens, count };
    stream.sentTokens = stream.generatedTokens;
    generation.send({ kind: "output", choice, tokens, isEdge });
  }
}

function isToldToItsEnd(stream: Stream): boolean {
  return isEnded(stream) && stream.toldTokens === stream.generatedTokens;
}
