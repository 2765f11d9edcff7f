import type { Dispatch } from "../core/effects.ts";
import type { SupervisorEvent } from "../core/events.ts";
import type { Micros } from "../core/units.ts";
import type { FailureReason } from "../core/vocabulary.ts";
import type { EngineMessage, TokenRange } from "./engine/generation.ts";
import type { Network } from "./network.ts";
import type { Sighting } from "./sightings.ts";
import type { VirtualTime } from "./virtual-time.ts";

export type ConnectionMessage =
  | Exclude<EngineMessage, { kind: "parked" }>
  | { kind: "parked"; hasState: boolean }
  | { kind: "failed"; reason: FailureReason; message: string };

/** What the client asks for, as far as an endpoint reads it in the request or finds it out. */
export interface Wish {
  streamed: boolean;
  promptTokensMax: number;
  promptTokens: number;
  /** Its beginning in blocks of `hashTokens` tokens; see `Hints.blocks`. */
  blocks: readonly number[];
  hashTokens: number;
  /** For each choice, tokens after which the model stops by itself. */
  answerTokens: readonly number[];
}

/** The answer that an attempt goes on with, as its endpoint is told. */
export interface Begun {
  /** The number of the answer's first token; null where there is none yet. */
  firstToken: number | null;
  /** Of the model that began it. */
  modelHash: string | null;
}

/** What a connection reaches the supervisor's side of the world with. */
export interface ConnectionEnds {
  /** Which life of the supervisor it belongs to. */
  life: number;
  time: VirtualTime;
  network: Network;
  submit: (event: SupervisorEvent) => void;
  saw: (sighting: Sighting) => void;
}

/**
 * One attempt on the wire: messages arrive late but in order. While the client does not read,
 * tokens stay here, and the worker is told to pause.
 */
export class Connection {
  readonly dispatch: Dispatch;
  readonly wish: Wish;
  /** Null for an answer from its beginning. */
  readonly begun: Begun | null;
  /** Whether what is on its way when the attempt is cancelled still arrives. */
  readonly #crosses: boolean;
  readonly #ends: ConnectionEnds;
  readonly #backlog: ConnectionMessage[] = [];
  /** Tokens received and not passed on, by choice. */
  #held: TokenRange[][] = [];
  /** Of the latest of them those that the supervisor is to hear of with the next edge. */
  readonly #untold = new Map<number, TokenRange>();
  /** The number of the first token of its first choice. */
  #firstToken: number | null;
  #lastArrivalUs: Micros = 0;
  #isCancelled = false;
  #isClosed = false;
  #isEnded = false;
  #isPaused = false;

  constructor(
    dispatch: Dispatch,
    options: { wish: Wish; begun: Begun | null; crosses: boolean; ends: ConnectionEnds },
  ) {
    this.dispatch = dispatch;
    this.wish = options.wish;
    this.begun = options.begun;
    this.#firstToken = options.begun?.firstToken ?? null;
    this.#crosses = options.crosses;
    this.#ends = options.ends;
  }

  get life(): number {
    return this.#ends.life;
  }

  /** Known once a token of the answer has come, over this connection or one before it. */
  get firstToken(): number | null {
    return this.#firstToken;
  }

  /** Nothing will come over it any more. */
  get isOver(): boolean {
    return this.#isEnded || (this.#isCancelled && !this.#crosses);
  }

  /** Whether the worker has seen that the supervisor is no longer there. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  close(): void {
    this.#isClosed = true;
  }

  /** Called at the worker. */
  send(message: ConnectionMessage): void {
    if (this.#isClosed) return;
    const { time, network } = this.#ends;
    // What is no edge must not change anything, such as the delays of what comes after it.
    const isEdge = message.kind !== "output" || message.isEdge;
    const delayUs = isEdge ? network.delayUs(this.dispatch.worker) : 0;
    const arrivalUs = Math.max(this.#lastArrivalUs, Math.ceil(time.nowUs) + Math.round(delayUs));
    if (isEdge) this.#lastArrivalUs = arrivalUs;
    time.at(arrivalUs, () => this.#arrive(message));
  }

  fail(reason: FailureReason, message: string): void {
    this.send({ kind: "failed", reason, message });
  }

  cancel(): void {
    this.#isCancelled = true;
    if (!this.#crosses) this.#held = [];
  }

  /** The supervisor's process is gone, and its end of the connection with it. */
  cut(): void {
    this.#isEnded = true;
    this.#held = [];
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    while (!this.#isPaused) {
      const message = this.#backlog.shift();
      if (message === undefined) return;
      this.#submit(message);
    }
  }

  /** The next tokens of a choice that the supervisor has received and not passed on; fewer when it has not so many. */
  take(choice: number, tokens: number): TokenRange[] {
    const held = this.#held[choice] ?? [];
    const taken: TokenRange[] = [];
    for (let left = tokens; left > 0 && held.length > 0;) {
      const range = held[0]!;
      const count = Math.min(left, range.count);
      taken.push({ first: range.first, count });
      left -= count;
      if (count === range.count) held.shift();
      else held[0] = { first: range.first + count, count: range.count - count };
    }
    return taken;
  }

  #arrive(message: ConnectionMessage): void {
    if (this.isOver) return;
    if (this.#isPaused && !this.#isCancelled) this.#backlog.push(message);
    else this.#submit(message);
  }

  #submit(message: ConnectionMessage): void {
    if (this.isOver) return;
    const { attempt } = this.dispatch;
    const { submit, saw } = this.#ends;
    switch (message.kind) {
      case "started": {
        const { promptTokens, cachedTokens } = message;
        return submit({ kind: "attempt_started", attempt, promptTokens, cachedTokens });
      }
      case "output": {
        const { choice, isEdge } = message;
        const { first, count } = message.tokens;
        const before = this.#untold.get(choice);
        const untold =
          before === undefined ? { first, count } : { first: before.first, count: before.count + count };
        this.#untold.set(choice, untold);
        if (!isEdge) return;
        this.#untold.delete(choice);
        if (choice === 0) this.#firstToken ??= untold.first - (this.dispatch.resume?.tokens ?? 0);
        (this.#held[choice] ??= []).push(untold);
        saw({ kind: "tokens_arrived", attempt, choice, tokens: untold });
        return submit({ kind: "attempt_output", attempt, choice, tokens: untold.count });
      }
      case "choice_finished": {
        const { choice, finishReason } = message;
        return submit({ kind: "choice_finished", attempt, choice, finishReason });
      }
      case "finished": {
        this.#isEnded = true;
        const { finishReason, usage } = message;
        return submit({ kind: "attempt_finished", attempt, finishReason, usage });
      }
      case "parked": {
        this.#isEnded = true;
        return submit({ kind: "attempt_parked", attempt, hasState: message.hasState });
      }
      case "failed": {
        this.#isEnded = true;
        return submit({ kind: "attempt_failed", attempt, reason: message.reason, message: message.message });
      }
    }
  }
}
