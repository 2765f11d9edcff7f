import type { ChosenLogprob, Detokenizer, SavedState, TokenSource } from "./engine.ts";
import type { AnswerText } from "./handover/continuation.ts";
import type { StopMatcher } from "./stop-matcher.ts";
import type { FinishReason, GenerationEvent, Usage } from "./wire.ts";

/** Who gets a generation's events. */
export interface Reader {
  /**
   * Takes an event, always. The answer says whether the reader can take more: after "full"
   * it calls `Generation.readerReady` once it can.
   */
  take(event: GenerationEvent): "ready" | "full";
}

/** Told what happens, for metrics and the registry. Called in the generation's own turn: be quick. */
export interface GenerationObserver {
  /** Seconds since the generation was accepted. */
  firstToken(seconds: number): void;
  /** Seconds since the token before; not called for tokens that a halt delayed. */
  nextToken(seconds: number): void;
  /** The slot is free, and the last event has not been given out yet. */
  ended(end: GenerationEnd): void;
}

/** How a generation ended, as metrics and receipts have it. */
export type EndReason = FinishReason | "parked" | "error";

export interface GenerationEnd {
  finishReason: EndReason;
  usage: Usage;
  /** Tokens of the answer that were generated here; the usage has all of it. */
  generated: number;
  /** Seconds between the first token and the last; null with fewer than two. */
  decodeSeconds: number | null;
  fault: unknown;
}

export interface GenerationOptions {
  source: TokenSource;
  /** As it is after the answer so far. */
  text: AnswerText;
  promptTokens: number;
  /** Tokens that the answer has already, generated elsewhere; null when it begins here. */
  continuedFrom: number | null;
  /** Of the whole answer, as is the credit. */
  maxTokens: number;
  credit: number;
  /** Stops for another worker to go on, once the answer has this many tokens; null when it shall not. */
  parkAt: number | null;
  /** Keeps the state of a parked generation. Null when it can't; never rejects. */
  park: (source: TokenSource) => Promise<SavedState | null>;
  /** Nobody wants the kept state any more. */
  unpark: () => void;
  /** Told with the start, where somebody asked for them. */
  blocks: readonly number[] | null;
  creditTtlMs: number;
  reader: Reader;
  observer: GenerationObserver;
}

interface UntoldToken {
  id: number;
  seq: number;
  logprob: ChosenLogprob | null;
  /** When it came, by the monotonic clock. */
  atMs: number;
}

/**
 * One answer in the making: pulls tokens from the engine as far as credit and reader allow.
 *
 * ```
 *              ┌── reader full ──▶ blocked ── reader ready ──┐
 *              │                                             ▼
 *   accepted ─▶ running ◀───────────────────────────────── running
 *              │    ▲                                        │
 *              │    └── top-up ── halted ◀── credit used up ─┘
 *              │                     │
 *              │                     └── nobody tops up in time ──┐
 *              ├── end of answer, max_tokens, stop string, ───────┴──▶ ended
 *              │   cancel, engine fault                                  ▲
 *              └── park_at, or asked to park ──▶ state is saved ─────────┘
 * ```
 * Blocked and halted both mean that the next token is not asked for. The engine goes on with
 * the other sequences, and this one later continues exactly where it was.
 *
 * What there is to do about a token (its text, its event, the writing of it, metrics) takes as
 * long as a good part of a small model's next token. So the engine is asked for that one first:
 *
 * ```
 *   main thread   token ─▶ ask for the next ─▶ batch goes off ─▶ tell the token ──┐
 *   engine                                              └─▶ evaluates ────────────┴─▶ token
 * ```
 * With stop strings it is the other way round, as only the text says whether there is a next one.
 */
export class Generation {
  readonly #source: TokenSource;
  readonly #detokenizer: Detokenizer;
  readonly #stop: StopMatcher;
  readonly #reader: Reader;
  readonly #observer: GenerationObserver;
  readonly #promptTokens: number;
  readonly #continuedFrom: number | null;
  readonly #maxTokens: number;
  readonly #park: GenerationOptions["park"];
  readonly #unpark: () => void;
  readonly #blocks: readonly number[] | null;
  readonly #creditTtlMs: number;
  #credit: number;
  /** Tokens of the answer, those included that were generated elsewhere. */
  #used: number;
  /** With so many tokens it is complete, or parked: whichever comes first. */
  #end: number;
  #askedToPark = false;
  #parked: SavedState | null = null;
  /** Tokens the reader has not been told of yet, the last of those used. */
  #untold: UntoldToken[] = [];
  #started = false;
  #readerFull = false;
  /** Set from outside; the loop sees it before and after each token. */
  #ending: "cancelled" | "credit_expired" | null = null;
  /** Wakes the loop while it is blocked or halted. */
  #wake: (() => void) | null = null;
  #acceptedMs = performance.now();
  #firstTokenMs: number | null = null;
  /** Null after a pause, whose length says nothing about the engine. */
  #tokenMs: number | null = null;
  #lastTokenMs = 0;

  constructor(options: GenerationOptions) {
    this.#source = options.source;
    this.#detokenizer = options.text.detokenizer;
    this.#stop = options.text.stop;
    this.#reader = options.reader;
    this.#observer = options.observer;
    this.#promptTokens = options.promptTokens;
    this.#continuedFrom = options.continuedFrom;
    this.#used = options.continuedFrom ?? 0;
    this.#maxTokens = options.maxTokens;
    this.#end = Math.min(options.maxTokens, options.parkAt ?? Infinity);
    this.#park = options.park;
    this.#unpark = options.unpark;
    this.#blocks = options.blocks;
    this.#creditTtlMs = options.creditTtlMs;
    this.#credit = options.credit;
  }

  /** Evaluates the prompt, whatever the credit. Rejects when the engine fails; `run` must be called all the same. */
  async prefill(): Promise<void> {
    await this.#source.prefill();
    this.#tellStarted();
  }

  /** Runs to the end; never rejects. The slot is free before the reader learns that it ended. */
  async run(): Promise<void> {
    const { finishReason, fault } = await this.#outcome();
    this.#tellTokens();
    const usage = this.#usage();
    const generated = this.#generatedHere();
    this.#observer.ended({ finishReason, usage, generated, decodeSeconds: this.#decodeSeconds(), fault });
    this.#tellEnd(finishReason, fault);
  }

  /** Raises the credit to `total` tokens. A smaller total, such as a repeated one, changes nothing. */
  grant(total: number): number {
    this.#credit = Math.max(this.#credit, total);
    this.#wake?.();
    return this.#credit;
  }

  /** At most the token, or chunk of prompt, being evaluated is still evaluated. */
  cancel(): void {
    this.#stopFor("cancelled");
  }

  /** Parks it behind the token that is being generated, or at once when none is. */
  park(): void {
    this.#askedToPark = true;
    this.#end = Math.min(this.#end, this.#used);
    this.#wake?.();
  }

  /** Waits for credit or for its reader, and not for the engine. */
  get isWaiting(): boolean {
    return this.#wake !== null;
  }

  readerReady(): void {
    this.#readerFull = false;
    this.#wake?.();
  }

  async #outcome(): Promise<Pick<GenerationEnd, "finishReason" | "fault">> {
    try {
      const finishReason = await this.#generate();
      if (finishReason === "parked") return await this.#saved();
      await this.#source.close();
      return { finishReason, fault: null };
    } catch (fault) {
      await this.#source.close().catch(() => {});
      return { finishReason: "error", fault };
    }
  }

  /** Saves what was evaluated, if anything was. A cancel meanwhile counts. */
  async #saved(): Promise<Pick<GenerationEnd, "finishReason" | "fault">> {
    if (this.#started) this.#parked = await this.#park(this.#source);
    await this.#source.close();
    if (this.#ending === null) return { finishReason: "parked", fault: null };
    this.#unpark();
    return { finishReason: this.#ending, fault: null };
  }

  async #generate(): Promise<FinishReason | "parked"> {
    if (this.#used >= this.#end) return this.#prefillOnly();
    for (;;) {
      const ending = await this.#permission();
      if (ending !== null) return ending;
      const token = await this.#source.next();
      if (this.#ending !== null) return this.#ending;
      this.#tellStarted();
      if (token === null) return "stop";
      this.#take(token);
      if (this.#stop.matched) return "stop";
      if (this.#used >= this.#end) return this.#used >= this.#maxTokens ? "length" : "parked";
    }
  }

  /** To be parked before its first token here: what is there is evaluated as soon as there is credit. */
  async #prefillOnly(): Promise<FinishReason | "parked"> {
    const ending = await this.#permission();
    if (ending !== null) return ending;
    await this.#source.prefill();
    if (this.#ending !== null) return this.#ending;
    this.#tellStarted();
    return "parked";
  }

  /** Waits until the next token may be generated; answers why it never will be otherwise. */
  async #permission(): Promise<FinishReason | "parked" | null> {
    let announced = false;
    while (this.#ending === null) {
      const halted = this.#used >= this.#credit;
      if (!halted && !this.#readerFull) return null;
      if (this.#askedToPark) return "parked";
      if (this.#untold.length > 0) {
        this.#tellTokens();
        continue;
      }
      if (halted && !announced) {
        announced = true;
        this.#tell({ type: "credit", used: this.#used });
        // The reader may have answered with a top-up or an end.
        continue;
      }
      await this.#sleep(halted ? this.#creditTtlMs : null);
    }
    return this.#ending;
  }

  /** Until something changes; out of credit for the given time, the generation expires. */
  async #sleep(expiresMs: number | null): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const timer = expiresMs === null ? null : setTimeout(() => this.#stopFor("credit_expired"), expiresMs);
    await promise;
    if (timer !== null) clearTimeout(timer);
    this.#wake = null;
    this.#tokenMs = null;
  }

  #stopFor(reason: "cancelled" | "credit_expired"): void {
    if (this.#ending !== null) return;
    this.#ending = reason;
    // Started now, so that a long prompt stops at its next chunk; awaited at the end of `run`.
    this.#source.close().catch(() => {});
    this.#wake?.();
  }

  #tellStarted(): void {
    if (this.#started) return;
    this.#started = true;
    this.#tell({
      type: "started",
      prompt_tokens: this.#promptTokens,
      cached_tokens: this.#cachedTokens(),
      ...(this.#blocks === null ? {} : { blocks: this.#blocks }),
      ...(this.#continuedFrom === null
        ? {}
        : { continued_from: this.#continuedFrom, used_state: this.#source.usedState }),
    });
  }

  #take(id: number): void {
    this.#untold.push({ id, seq: this.#used, logprob: this.#source.logprob, atMs: performance.now() });
    this.#used++;
    if (!this.#stop.isIdle) this.#tellTokens();
    // The next turn of the event loop sends the batch off; this is the one after.
    else if (this.#untold.length === 1) setImmediate(() => setImmediate(() => this.#tellTokens()));
  }

  #tellTokens(): void {
    const tokens = this.#untold;
    this.#untold = [];
    for (const token of tokens) this.#tellToken(token);
  }

  #tellToken({ id, seq, logprob, atMs }: UntoldToken): void {
    this.#observeToken(atMs);
    const text = this.#stop.push(this.#detokenizer.push(id));
    const event = { type: "tokens", seq, ids: [id], text } as const;
    this.#tell(logprob === null ? event : { ...event, logprobs: [logprob] });
  }

  #tellEnd(finishReason: EndReason, fault: unknown): void {
    if (finishReason === "parked") {
      // Text held back is told by whoever goes on with the answer.
      const event = { type: "parked", generated: this.#used, state: this.#parked } as const;
      return this.#tell({ ...event, usage: this.#usage() });
    }
    const held = this.#stop.flush();
    if (held !== "") this.#tell({ type: "tokens", seq: this.#used, ids: [], text: held });
    if (finishReason === "error") {
      const message = fault instanceof Error ? fault.message : String(fault);
      this.#tell({ type: "error", code: "engine_failed", message });
    } else {
      this.#tell({ type: "done", finish_reason: finishReason, usage: this.#usage() });
    }
  }

  #tell(event: GenerationEvent): void {
    this.#readerFull = this.#reader.take(event) === "full";
  }

  #observeToken(atMs: number): void {
    if (this.#firstTokenMs === null) {
      this.#firstTokenMs = atMs;
      this.#observer.firstToken((atMs - this.#acceptedMs) / 1_000);
    } else if (this.#tokenMs !== null) {
      this.#observer.nextToken((atMs - this.#tokenMs) / 1_000);
    }
    this.#tokenMs = atMs;
    this.#lastTokenMs = atMs;
  }

  #decodeSeconds(): number | null {
    if (this.#firstTokenMs === null || this.#generatedHere() < 2) return null;
    return (this.#lastTokenMs - this.#firstTokenMs) / 1_000;
  }

  #generatedHere(): number {
    return this.#used - (this.#continuedFrom ?? 0);
  }

  /** Of the prompt; the source counts the answer so far as well. */
  #cachedTokens(): number {
    return Math.min(this.#source.cachedTokens, this.#promptTokens);
  }

  #usage(): Usage {
    return {
      prompt_tokens: this.#promptTokens,
      cached_tokens: this.#cachedTokens(),
      completion_tokens: this.#used,
    };
  }
}
