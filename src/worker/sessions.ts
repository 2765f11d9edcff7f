import { kvBytesPerToken, sessionKvBytes } from "../core/fleet/kv.ts";
import type { WorkerLimits } from "../core/vocabulary.ts";
import type { Engine, EngineModel, Sampling, TokenSource } from "./engine.ts";
import { Refusal, RequestError } from "./errors.ts";
import type { GenerationEnd, Reader } from "./generation.ts";
import { Generation } from "./generation.ts";
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
  /** Null for as many as the context has room for. */
  maxTokens: number | null;
  /** Null when the generation needs no credit. */
  credit: number | null;
  sampling: Sampling;
  stop: readonly string[];
  ignoreEnd: boolean;
}

interface Session {
  generation: Generation;
  model: string;
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
  readonly #sessions = new Map<string, Session>();
  readonly #onChange: () => void;
  #kvBytes = 0;
  #draining = false;

  constructor(options: {
    engine: Engine;
    limits: WorkerLimits;
    metrics: WorkerMetrics;
    creditTtlMs: number;
    /** The number of sessions changed. */
    onChange: () => void;
  }) {
    this.#engine = options.engine;
    this.#limits = options.limits;
    this.#metrics = options.metrics;
    this.#creditTtlMs = options.creditTtlMs;
    this.#onChange = options.onChange;
  }

  get active(): number {
    return this.#sessions.size;
  }

  /** Bytes of KV cache set aside for the generations that run. */
  get kvBytes(): number {
    return this.#kvBytes;
  }

  get draining(): boolean {
    return this.#draining;
  }

  activeFrom(supervisor: string): number {
    return this.#all().filter(({ generation }) => generation.supervisor === supervisor).length;
  }

  activeOf(model: string): number {
    return this.#all().filter((session) => session.model === model).length;
  }

  kvBytesOf(model: string): number {
    const sessions = this.#all().filter((session) => session.model === model);
    return sessions.reduce((bytes, session) => bytes + session.kvBytes, 0);
  }

  find(id: string): Generation | null {
    return this.#sessions.get(id)?.generation ?? null;
  }

  /**
   * Accepts a request; nothing is evaluated before the returned generation's `run` is called.
   * Throws {@link RequestError} or {@link Refusal}.
   */
  open(request: GenerationRequest, reader: Reader): Generation {
    if (this.#draining) throw new Refusal("draining", "This worker is about to stop.");
    if (this.#sessions.has(request.id)) {
      throw new RequestError("invalid_request", `A generation ${request.id} is running already.`, "id");
    }
    const model = this.#model(request.model);
    const prompt = promptTokens(model, request.prompt);
    const room = this.#room({ model, promptTokens: prompt.length });
    const maxTokens = Math.min(request.maxTokens ?? room, room);
    const kvBytes = this.#checkLimits({ model, promptTokens: prompt.length, maxTokens });
    const source = takeSlot({ model, prompt, request });
    freeIdleKv({ engine: this.#engine, bytesMax: this.#limits.kvBytesMax - this.#kvBytes - kvBytes });
    return this.#start({ request, reader, model, prompt, maxTokens, kvBytes, source });
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
    for (const session of this.#sessions.values()) session.generation.cancel();
  }

  #all(): Session[] {
    return [...this.#sessions.values()];
  }

  #model(name: string): EngineModel {
    const model = this.#engine.models.find((candidate) => candidate.description.name === name);
    if (model !== undefined) return model;
    const known = this.#engine.models.map((candidate) => candidate.description.name).join(", ");
    throw new RequestError(
      "model_not_found",
      `There is no model ${name} here; there are: ${known}.`,
      "model",
    );
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

  /** The KV cache the generation may come to hold, if there is room for it. */
  #checkLimits(options: { model: EngineModel; promptTokens: number; maxTokens: number }): number {
    const { model, promptTokens: tokens, maxTokens } = options;
    const { sessionsMax, sessionKvBytesMax, kvBytesMax } = this.#limits;
    if (this.#sessions.size >= sessionsMax) {
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
    if (this.#kvBytes + kvBytes > kvBytesMax) {
      throw new Refusal(
        "total_kv_cache_exceeded",
        `The session may need ${kvBytes} bytes of KV cache; ${this.#kvBytes} of ${kvBytesMax} are taken.`,
      );
    }
    return kvBytes;
  }

  #start(options: {
    request: GenerationRequest;
    reader: Reader;
    model: EngineModel;
    prompt: readonly number[];
    maxTokens: number;
    kvBytes: number;
    source: TokenSource;
  }): Generation {
    const { request, reader, model, prompt, maxTokens, kvBytes, source } = options;
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const metrics = this.#metrics.forModel(model.description.name);
    const generation = new Generation({
      id: request.id,
      supervisor: request.supervisor,
      source,
      detokenizer: model.detokenizer(prompt),
      promptTokens: prompt.length,
      maxTokens,
      credit: request.credit ?? maxTokens,
      stop: request.stop,
      creditTtlMs: this.#creditTtlMs,
      reader,
      observer: {
        firstToken: metrics.firstToken,
        nextToken: metrics.nextToken,
        ended: (end: GenerationEnd) => {
          this.#sessions.delete(request.id);
          this.#kvBytes -= kvBytes;
          metrics.ended(end);
          resolve();
          this.#onChange();
        },
      },
    });
    this.#sessions.set(request.id, { generation, model: model.description.name, kvBytes, ended });
    this.#kvBytes += kvBytes;
    this.#onChange();
    return generation;
  }
}

function takeSlot(options: {
  model: EngineModel;
  prompt: readonly number[];
  request: GenerationRequest;
}): TokenSource {
  const { model, prompt, request } = options;
  const { sampling, session, ignoreEnd } = request;
  const source = model.open({ prompt, sampling, session, ignoreEnd });
  if (source !== null) return source;
  const { name, slots } = model.description;
  throw new Refusal("max_sessions_exceeded", `All ${slots} slots of ${name} are taken.`);
}
