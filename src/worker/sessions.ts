import type { Logger } from "pino";
import type { WorkerLimits } from "../core/vocabulary.ts";
import type { ChoicesEnd } from "./choices.ts";
import { Choices } from "./choices.ts";
import { blockHashes } from "./cache/blocks.ts";
import type { Engine, EngineModel, SavedState, TokenSource } from "./engine.ts";
import { Refusal, RequestError } from "./errors.ts";
import type { Reader } from "./generation.ts";
import { Generation } from "./generation.ts";
import type { Extent, GenerationRequest } from "./generation-request.ts";
import { extentOf } from "./generation-request.ts";
import type { AnswerText } from "./handover/continuation.ts";
import { answerText } from "./handover/continuation.ts";
import { stateSource } from "./handover/fetch-state.ts";
import type { ParkedStates } from "./handover/parked-states.ts";
import { freeIdleKv } from "./idle-kv.ts";
import type { SessionCounts, WorkerMetrics } from "./metrics.ts";
import { SessionRoom } from "./session-room.ts";
import { takeSlots } from "./slots.ts";

interface Session {
  choices: Choices;
  model: string;
  /** Choices that run; each of them counts as a session, and has this much KV cache set aside. */
  running: number;
  kvBytes: number;
  ended: Promise<void>;
}

/**
 * The generations that run.
 *
 * ```
 *   extentOf ───▶ SessionRoom ──▶ takeSlots ──▶ running ──▶ each choice ends, and frees its room ──▶ all have ended
 *   can the       is there        one for
 *   model?        room here?      each choice
 *      └──────────────┴───────────────┴──▶ RequestError: it never can be, Refusal: it can't be now
 * ```
 */
export class Sessions implements SessionCounts {
  readonly #engine: Engine;
  readonly #room: SessionRoom;
  readonly #metrics: WorkerMetrics;
  readonly #creditTtlMs: number;
  readonly #parked: ParkedStates;
  readonly #transferMs: number;
  readonly #log: Logger;
  readonly #sessions = new Map<string, Session>();
  readonly #onEnded: (request: GenerationRequest, end: ChoicesEnd) => void;
  readonly #onChange: () => void;
  #draining = false;

  constructor(options: {
    engine: Engine;
    limits: WorkerLimits;
    metrics: WorkerMetrics;
    creditTtlMs: number;
    parked: ParkedStates;
    /** For the fetching of a state. */
    transferMs: number;
    log: Logger;
    /** All choices of a request have ended; its reader does not know yet. */
    onEnded: (request: GenerationRequest, end: ChoicesEnd) => void;
    /** The number of sessions changed. */
    onChange: () => void;
  }) {
    this.#engine = options.engine;
    this.#room = new SessionRoom(options.limits);
    this.#metrics = options.metrics;
    this.#creditTtlMs = options.creditTtlMs;
    this.#parked = options.parked;
    this.#transferMs = options.transferMs;
    this.#log = options.log;
    this.#onEnded = options.onEnded;
    this.#onChange = options.onChange;
  }

  /** Each choice of a request is a session. */
  get active(): number {
    return this.#room.sessions;
  }

  /** Bytes of KV cache set aside for the generations that run. */
  get kvBytes(): number {
    return this.#room.kvBytes;
  }

  get draining(): boolean {
    return this.#draining;
  }

  activeFrom(supervisor: string): number {
    return countRunning(this.#all().filter(({ choices }) => choices.supervisor === supervisor));
  }

  /** Those of every supervisor that has some, by its id. */
  bySupervisor(): Record<string, number> {
    const senders = new Set(this.#all().map(({ choices }) => choices.supervisor));
    senders.delete("");
    return Object.fromEntries(Array.from(senders, (supervisor) => [supervisor, this.activeFrom(supervisor)]));
  }

  activeOf(model: string): number {
    return countRunning(this.#all().filter((session) => session.model === model));
  }

  /** Those of them that wait for credit or their readers: nothing of theirs is to be evaluated. */
  waitingOf(model: string): number {
    const sessions = this.#all().filter((session) => session.model === model);
    return sessions.reduce((count, { choices }) => count + choices.waiting, 0);
  }

  kvBytesOf(model: string): number {
    const sessions = this.#all().filter((session) => session.model === model);
    return sessions.reduce((bytes, { running, kvBytes }) => bytes + running * kvBytes, 0);
  }

  find(id: string): Choices | null {
    return this.#sessions.get(id)?.choices ?? null;
  }

  /** Throws {@link RequestError}. */
  model(name: string): EngineModel {
    const model = this.#engine.models.find((candidate) => candidate.description.name === name);
    if (model !== undefined) return model;
    const known = this.#engine.models.map((candidate) => candidate.description.name).join(", ");
    throw new RequestError(
      "model_not_found",
      `There is no model ${name} here; there are: ${known}.`,
      "model",
    );
  }

  /**
   * Accepts a request; nothing is evaluated before the returned choices' `run` or `prefill` is called.
   * Throws {@link RequestError} or {@link Refusal}.
   */
  open(request: GenerationRequest, reader: Reader): Choices {
    if (this.#draining) throw new Refusal("draining", "This worker is about to stop.");
    if (this.#sessions.has(request.id)) {
      throw new RequestError("invalid_request", `A generation ${request.id} is running already.`, "id");
    }
    const model = this.model(request.model);
    const extent = extentOf(model, request);
    const { prompt } = extent;
    const count = request.samplings.length;
    const kvBytes = this.#room.check(model, extent, count);
    const { stop, continued } = request;
    const generated = continued?.tokens ?? [];
    const texts = request.samplings.map(() => answerText({ model, prompt, stop, generated }));
    const { description } = model;
    const sources = takeSlots({
      model,
      prompt,
      request,
      stateSource: (url) =>
        stateSource({ url, model: description, timeoutMs: this.#transferMs, log: this.#log }),
    });
    freeIdleKv({ engine: this.#engine, bytesMax: this.#room.kvBytesLeft - count * kvBytes });
    return this.#start({ request, reader, model, extent, kvBytes, sources, texts });
  }

  /** Accepts nothing from now on. */
  refuseNew(): void {
    this.#draining = true;
  }

  /** Resolves when no generation runs any more. */
  async allEnded(): Promise<void> {
    while (this.#sessions.size > 0) {
      await Promise.all(this.#all().map((session) => session.ended));
    }
  }

  cancelAll(): void {
    for (const session of this.#sessions.values()) session.choices.cancel();
  }

  #all(): Session[] {
    return [...this.#sessions.values()];
  }

  #start(options: {
    request: GenerationRequest;
    reader: Reader;
    model: EngineModel;
    extent: Extent;
    kvBytes: number;
    sources: readonly TokenSource[];
    texts: readonly AnswerText[];
  }): Choices {
    const { request, model, extent, kvBytes, sources, texts } = options;
    const { prompt, maxTokens } = extent;
    const { modelHash } = model.description;
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const metrics = this.#metrics.forModel(model.description.name);
    const choices = new Choices({
      id: request.id,
      supervisor: request.supervisor,
      count: sources.length,
      reader: options.reader,
      generation: (choice, reader, tellEnded) =>
        new Generation({
          source: sources[choice]!,
          text: texts[choice]!,
          promptTokens: prompt.length,
          continuedFrom: request.continued?.tokens.length ?? null,
          maxTokens,
          credit: request.credit ?? maxTokens,
          parkAt: request.parkAt ?? null,
          park: (source) => this.#park({ id: request.id, model, kvBytes, source }),
          unpark: () => this.#parked.free(request.id),
          blocks: request.wantBlocks === true ? blockHashes(modelHash, prompt) : null,
          creditTtlMs: request.creditTtlMs ?? this.#creditTtlMs,
          reader,
          observer: {
            firstToken: metrics.firstToken,
            nextToken: metrics.nextToken,
            ended: (end) => {
              session.running--;
              this.#room.free(kvBytes);
              metrics.ended(end, { isFirstChoice: choice === 0 });
              tellEnded(end);
              this.#onChange();
            },
          },
        }),
      onEnded: (end) => {
        this.#sessions.delete(request.id);
        this.#onEnded(request, end);
        resolve();
      },
    });
    const session: Session = {
      choices,
      model: model.description.name,
      running: sources.length,
      kvBytes,
      ended,
    };
    this.#sessions.set(request.id, session);
    this.#room.take(session.running, kvBytes);
    this.#onChange();
    return choices;
  }

  #park(options: {
    id: string;
    model: EngineModel;
    kvBytes: number;
    source: TokenSource;
  }): Promise<SavedState | null> {
    const { id, model, kvBytes, source } = options;
    return this.#parked.keep({
      id,
      fingerprint: model.description.stateFingerprint,
      bytesExpected: kvBytes,
      save: (path) => source.saveState(path),
    });
  }
}

function countRunning(sessions: readonly Session[]): number {
  return sessions.reduce((count, session) => count + session.running, 0);
}
