import type { Logger } from "pino";
import { kvBytesPerToken, sessionKvBytes } from "../core/fleet/kv.ts";
import type { WorkerLimits } from "../core/vocabulary.ts";
import type { ChoicesEnd } from "./choices.ts";
import { Choices } from "./choices.ts";
import { blockHashes } from "./cache/blocks.ts";
import type { Engine, EngineModel, OpenOptions, Sampling, SavedState, TokenSource } from "./engine.ts";
import { GrammarError, NotContinuableError } from "./engine.ts";
import { Refusal, RequestError } from "./errors.ts";
import type { Reader } from "./generation.ts";
import { Generation } from "./generation.ts";
import type { AnswerText, Continuation } from "./handover/continuation.ts";
import {
  answerText,
  checkContinuation,
  FROM_START,
  notContinuable,
  samplingFrom,
} from "./handover/continuation.ts";
import { stateSource } from "./handover/fetch-state.ts";
import type { ParkedStates } from "./handover/parked-states.ts";
import { freeIdleKv } from "./idle-kv.ts";
import type { SessionCounts, WorkerMetrics } from "./metrics.ts";
import { promptTokens } from "./prompt-tokens.ts";
import type { Prompt } from "./wire.ts";

/** What every dialect's request comes down to. */
export interface GenerationRequest {
  id: string;
  /** Who sent it; "" for clients that are no supervisors. */
  supervisor: string;
  model: string;
  prompt: Prompt;
  session: string | null;
  /** For each choice; null for as many as the context has room for. */
  maxTokens: number | null;
  /** For each choice; null when the generation needs no credit. */
  credit: number | null;
  /** How long it waits for credit; null for as long as is usual here. */
  creditTtlMs: number | null;
  /** One for each choice. */
  samplings: readonly Sampling[];
  stop: readonly string[];
  ignoreEnd: boolean;
  logprobs: number | null;
  /** GBNF; see the engine's port. */
  grammar: string | null;
  /** The answer was begun elsewhere. */
  continued?: Continuation | null;
  /** Parks it once it has this many tokens. */
  parkAt?: number | null;
  /** Tells the hashes of the prompt's blocks. */
  wantBlocks?: boolean;
}

interface Session {
  choices: Choices;
  model: string;
  /** Choices that run; each of them counts as a session, and has this much KV cache set aside. */
  running: number;
  kvBytes: number;
  ended: Promise<void>;
}

/**
 * The generations that run, and the limits on them. What a generation may come to hold is
 * counted in full from the moment it is accepted until it ends, with the formula that the
 * supervisor uses, so both sides have the same figure and nothing that was accepted runs out
 * of memory later.
 */
export class Sessions implements SessionCounts {
  readonly #engine: Engine;
  readonly #limits: WorkerLimits;
  readonly #metrics: WorkerMetrics;
  readonly #creditTtlMs: number;
  readonly #parked: ParkedStates;
  readonly #transferMs: number;
  readonly #log: Logger;
  readonly #sessions = new Map<string, Session>();
  readonly #onEnded: (request: GenerationRequest, end: ChoicesEnd) => void;
  readonly #onChange: () => void;
  #active = 0;
  #kvBytes = 0;
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
    this.#limits = options.limits;
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
    return this.#active;
  }

  /** Bytes of KV cache set aside for the generations that run. */
  get kvBytes(): number {
    return this.#kvBytes;
  }

  get draining(): boolean {
    return this.#draining;
  }

  activeFrom(supervisor: string): number {
    return countRunning(this.#all().filter(({ choices }) => choices.supervisor === supervisor));
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
    checkChoices(model, request.samplings.length);
    checkTokens(model, request.samplings);
    const prompt = promptTokens(model, request.prompt);
    const room = this.#room({ model, promptTokens: prompt.length });
    const maxTokens = Math.min(request.maxTokens ?? room, room);
    const count = request.samplings.length;
    const continued = request.continued ?? null;
    if (continued !== null) checkContinuation({ model, continued, choices: count, maxTokens });
    if (count > 1 && (request.parkAt ?? null) !== null) {
      throw notContinuable("Only a single choice can be parked.", "park_at");
    }
    const kvBytes = this.#checkLimits({ model, promptTokens: prompt.length, maxTokens, count });
    const generated = continued?.tokens ?? [];
    const { stop } = request;
    const texts = request.samplings.map(() => answerText({ model, prompt, stop, generated }));
    const sources = this.#takeSlots({ model, prompt, request });
    const bytesMax = this.#limits.kvBytesMax - this.#kvBytes - count * kvBytes;
    freeIdleKv({ engine: this.#engine, bytesMax });
    return this.#start({ request, reader, model, prompt, maxTokens, kvBytes, sources, texts });
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

  /** Tokens that the context has left for the answer. */
  #room(options: { model: EngineModel; promptTokens: number }): number {
    const { contextTokens } = options.model.description;
    if (options.promptTokens < contextTokens) return contextTokens - options.promptTokens;
    throw new RequestError(
      "context_length_exceeded",
      `The prompt has ${options.promptTokens} tokens; the context holds ${contextTokens}, answer included.`,
      "prompt",
    );
  }

  /** The KV cache that each choice may come to hold, if there is room for all. */
  #checkLimits(options: {
    model: EngineModel;
    promptTokens: number;
    maxTokens: number;
    count: number;
  }): number {
    const { model, promptTokens: tokens, maxTokens, count } = options;
    const { sessionsMax, sessionKvBytesMax, kvBytesMax } = this.#limits;
    if (this.#active + count > sessionsMax) {
      throw new Refusal("max_sessions_exceeded", `${sessionsMax} sessions run here, and no more may.`);
    }
    const kvBytes = sessionKvBytes({
      promptTokens: tokens,
      maxTokens,
      contextTokens: model.description.contextTokens,
      bytesPerToken: kvBytesPerToken(model.description.kv),
    });
    if (kvBytes > sessionKvBytesMax) {
      throw new Refusal(
        "session_kv_cache_too_large",
        `The session may need ${kvBytes} bytes of KV cache; one session may have ${sessionKvBytesMax}.`,
      );
    }
    if (this.#kvBytes + count * kvBytes > kvBytesMax) {
      throw new Refusal(
        "total_kv_cache_exceeded",
        `It may need ${count * kvBytes} bytes of KV cache; ${this.#kvBytes} of ${kvBytesMax} are taken.`,
      );
    }
    return kvBytes;
  }

  /** A slot for each choice. Throws {@link RequestError} or {@link Refusal}. */
  #takeSlots(options: {
    model: EngineModel;
    prompt: readonly number[];
    request: GenerationRequest;
  }): TokenSource[] {
    const { model, prompt, request } = options;
    const { session, ignoreEnd, logprobs, grammar } = request;
    const { tokens: generated, stateUrl } = request.continued ?? FROM_START;
    const samplings = request.samplings.map((sampling) => samplingFrom(generated.length, sampling));
    const source =
      stateUrl === null
        ? null
        : stateSource({
            url: stateUrl,
            model: model.description,
            timeoutMs: this.#transferMs,
            log: this.#log,
          });
    return takeSlots({
      model,
      open: { prompt, samplings, session, ignoreEnd, logprobs, grammar, generated, stateSource: source },
    });
  }

  #start(options: {
    request: GenerationRequest;
    reader: Reader;
    model: EngineModel;
    prompt: readonly number[];
    maxTokens: number;
    kvBytes: number;
    sources: readonly TokenSource[];
    texts: readonly AnswerText[];
  }): Choices {
    const { request, model, prompt, maxTokens, kvBytes, sources, texts } = options;
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
              this.#free(session);
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
    this.#active += session.running;
    this.#kvBytes += session.running * kvBytes;
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

  /** One of its choices ended. */
  #free(session: Session): void {
    session.running--;
    this.#active--;
    this.#kvBytes -= session.kvBytes;
  }
}

function countRunning(sessions: readonly Session[]): number {
  return sessions.reduce((count, session) => count + session.running, 0);
}

function checkChoices(model: EngineModel, count: number): void {
  const { name, slots } = model.description;
  if (count <= slots) return;
  throw new RequestError("invalid_request", `${name} gives at most ${slots} choices at a time.`, "n");
}

function checkTokens(model: EngineModel, samplings: readonly Sampling[]): void {
  const { vocabulary } = model.description;
  for (const id of samplings[0]?.logitBias.keys() ?? []) {
    if (id < vocabulary) continue;
    const message = `There is no token ${id}; there are ${vocabulary}.`;
    throw new RequestError("invalid_request", message, "logit_bias");
  }
}

function takeSlots(options: { model: EngineModel; open: OpenOptions }): TokenSource[] {
  const { model, open } = options;
  try {
    const sources = model.open(open);
    if (sources !== null) return sources;
  } catch (error) {
    if (error instanceof NotContinuableError) throw notContinuable(error.message);
    if (!(error instanceof GrammarError)) throw error;
    const message = "The schema makes a grammar that is too large: use smaller limits and fewer parts.";
    throw new RequestError("invalid_request", message, "grammar.json_schema");
  }
  const { name, slots } = model.description;
  const { length: count } = open.samplings;
  const wanted = count === 1 ? "" : `; ${count} were wanted`;
  throw new Refusal("max_sessions_exceeded", `All ${slots} slots of ${name} are taken${wanted}.`);
}
