import { assert } from "../assert.ts";
import type { LimitReached } from "../budget/shortage.ts";
import { viewOf } from "../budget/refusal.ts";
import type { Reservations } from "../budget/reservations.ts";
import type { AttemptOutput, ChoiceFinished } from "../events.ts";
import { type Attempt, type AttemptStream, enter } from "../request.ts";
import type { Turn } from "../turn.ts";
import { coveredTokens, needsCredit } from "./meter.ts";

/**
 * What comes back from attempts: relayed as far as holds cover it, metered, and ended at the budget's
 * edge.
 *
 * ```
 *            ┌── tokens: relay; near the end of the credit, ask for more ──┐
 *            ▼                                                             │
 *   ──▶ running ───────────────────────────────────────────────────────────┘
 *            ├── the endpoint ends it ───────▶ ended
 *            └── no more credit to be had ───▶ ended, cut at this token
 * ```
 * An attempt's streams end one by one, and the attempt with the last of them.
 */
export class Streams {
  readonly #turn: Turn;
  readonly #reservations: Reservations;
  readonly #packetTokens: number;

  constructor(turn: Turn, reservations: Reservations, { packetTokens }: { packetTokens: number }) {
    this.#turn = turn;
    this.#reservations = reservations;
    this.#packetTokens = packetTokens;
  }

  /** Returns whether the attempt has reached the end of its credit with all of its streams. */
  output(attempt: Attempt, event: AttemptOutput): boolean {
    const stream = attempt.streams[event.choice];
    if (stream === undefined || stream.end !== null) return false;
    const { packet } = attempt;
    const tokens = coveredTokens(attempt, stream, event.tokens);
    packet.request.firstTokenUs ??= this.#turn.nowUs;
    stream.generatedTokens += tokens;
    attempt.generatedTokens += tokens;
    attempt.generatedTokensMax += Math.max(tokens, event.tokensMax ?? 0);
    if (tokens > 0) this.#relay(attempt, event.choice, tokens);
    if (tokens < event.tokens) return this.#cut(attempt, stream, packet.shortage);
    return needsCredit(attempt, stream, this.#packetTokens) && this.#extend(attempt, stream);
  }

  /** What it has asked for has come, or was refused. Returns whether the attempt ends here with all of its streams. */
  retry(attempt: Attempt): boolean {
    attempt.isShort = false;
    return attempt.streams.some((stream) => {
      const isWaiting = stream.end === null && needsCredit(attempt, stream, this.#packetTokens);
      return isWaiting && this.#extend(attempt, stream);
    });
  }

  /** One of several is complete. Returns whether the others have all been cut, so that nothing more will come. */
  choiceFinished(attempt: Attempt, { choice, finishReason }: ChoiceFinished): boolean {
    const stream = attempt.streams[choice];
    if (stream === undefined || stream.end !== null) return false;
    stream.end = { finishReason, isCut: false, shortage: null };
    this.#tellEnd(attempt, stream);
    // For those that were cut the endpoint still waits for credit; else it says itself that it is done.
    return hasEnded(attempt) && attempt.streams.some(({ end }) => end?.isCut);
  }

  /** Time is up: whatever goes on ends where it is. */
  cutAll(attempt: Attempt, shortage: LimitReached | null): void {
    for (const stream of attempt.streams) if (stream.end === null) this.#cut(attempt, stream, shortage);
  }

  /** The endpoint has nothing more to say. */
  finished(attempt: Attempt, finishReason: string): void {
    for (const stream of attempt.streams) {
      if (stream.end !== null) continue;
      // Its budget had no room for more, and the endpoint was told so beforehand.
      const shortage = finishReason === "length" ? attempt.packet.shortage : null;
      stream.end = { finishReason, isCut: false, shortage };
      this.#tellEnd(attempt, stream);
    }
  }

  /** The choices of a buffered answer end together, for until then it may start again elsewhere. */
  answered(attempt: Attempt): void {
    if (attempt.packet.request.arrival.streamed) return;
    for (const stream of attempt.streams) this.#finishAnswer(attempt, stream);
  }

  #relay(attempt: Attempt, stream: number, tokens: number): void {
    const { packet } = attempt;
    if (packet.stage === "dispatch") enter(packet, "stream", this.#turn.nowUs);
    const choice = packet.choice + stream;
    this.#turn.emit({ kind: "relay", request: packet.request.id, choice, attempt: attempt.id, tokens });
  }

  /** Asks for the next packet of the answer ahead of time, and where that was refused once more at the last token. */
  #extend(attempt: Attempt, stream: AttemptStream): boolean {
    const { packet } = attempt;
    const isLastCall = stream.generatedTokens === attempt.creditTokens;
    const isOnItsWay = packet.heldTokens > packet.creditTokens;
    // More credit is for all streams of the attempt: one that was cut short would go on, for nobody to read.
    const short = attempt.streams.find(({ end }) => end?.isCut && end.shortage !== null)?.end;
    if (short && isLastCall) return this.#cut(attempt, stream, short.shortage);
    if (short || isOnItsWay || (attempt.isShort && !isLastCall)) return false;
    const result = this.#reservations.extend(packet, { isLastCall });
    attempt.isShort = result !== null;
    // What is asked for comes or is refused in a moment: at the end of its credit the answer stands still until then.
    if (result === null || result === "asked") return false;
    return isLastCall && this.#cut(attempt, stream, result);
  }

  /** The stream ends at the token where its credit does, for the others of the attempt to go on. */
  #cut(attempt: Attempt, stream: AttemptStream, shortage: LimitReached | null): boolean {
    stream.end = { finishReason: "length", isCut: true, shortage };
    this.#tellEnd(attempt, stream);
    return hasEnded(attempt);
  }

  #tellEnd(attempt: Attempt, stream: AttemptStream): void {
    if (attempt.packet.request.arrival.streamed) this.#finishAnswer(attempt, stream);
  }

  #finishAnswer(attempt: Attempt, stream: AttemptStream): void {
    const { packet } = attempt;
    assert(stream.end !== null, `a stream of ${attempt.id} has ended`);
    const { finishReason, shortage } = stream.end;
    this.#turn.emit({
      kind: "finish_answer",
      request: packet.request.id,
      choice: packet.choice + attempt.streams.indexOf(stream),
      attempt: attempt.id,
      finishReason,
      shortage: shortage === null ? null : viewOf(shortage),
    });
  }
}

function hasEnded(attempt: Attempt): boolean {
  return attempt.streams.every(({ end }) => end !== null);
}
