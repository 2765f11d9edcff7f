import type { Choices } from "./choices.ts";
import type { EngineModel } from "./engine.ts";
import { RequestError } from "./errors.ts";
import type { Reader } from "./generation.ts";
import type { Sessions } from "./sessions.ts";
import { resolveSamplings } from "./wire.ts";

/**
 * Sessions in two calls: one that evaluates a prompt, and one that reads the answer.
 *
 * ```
 *   prefill ─▶ evaluating ─▶ waiting ── decode ─▶ decoding ─▶ ended
 *                  │            └── nobody decodes in time ──▶ ended
 *                  └── the caller leaves, or the engine fails ─▶ ended
 * ```
 * Each is a generation without credit until somebody decodes it, so limits, metrics and drain
 * treat it like any other.
 */
export class PrefilledSessions {
  readonly #sessions: Sessions;
  readonly #models: readonly EngineModel[];
  readonly #ttlMs: number;
  readonly #waiting = new Map<string, PrefilledSession>();

  constructor(options: { sessions: Sessions; models: readonly EngineModel[]; ttlMs: number }) {
    this.#sessions = options.sessions;
    this.#models = options.models;
    this.#ttlMs = options.ttlMs;
  }

  /** Accepts a session; see {@link PrefilledSession.evaluated}. Throws `RequestError` or `Refusal`. */
  open(request: { sessionId: string; model: string; prompt: string; maxTokens: number }): PrefilledSession {
    const { sessionId, prompt, maxTokens } = request;
    const model = this.#model(request.model);
    const session = new PrefilledSession((reader) =>
      this.#sessions.open(
        {
          // An id of its own kind: those of supervisors are theirs to choose.
          id: `session:${sessionId}`,
          supervisor: "",
          model: model?.description.name ?? request.model,
          prompt: model?.description.isChatModel === false ? { text: prompt } : asUser(prompt),
          session: sessionId,
          maxTokens,
          credit: 0,
          creditTtlMs: this.#ttlMs,
          samplings: resolveSamplings({ given: {}, count: 1 }),
          stop: [],
          ignoreEnd: false,
          logprobs: null,
          grammar: null,
        },
        reader,
      ),
    );
    this.#waiting.set(sessionId, session);
    void this.#forget(sessionId, session);
    return session;
  }

  /** Hands a session over to the one who decodes it. Throws a {@link RequestError} where there is none. */
  take(sessionId: string): PrefilledSession {
    const session = this.#waiting.get(sessionId);
    if (session === undefined) {
      throw new RequestError("not_found", `No session ${sessionId} waits here to be decoded.`, "session_id");
    }
    this.#waiting.delete(sessionId);
    return session;
  }

  async #forget(sessionId: string, session: PrefilledSession): Promise<void> {
    await session.ended;
    // By then another may wait under this name.
    if (this.#waiting.get(sessionId) === session) this.#waiting.delete(sessionId);
  }

  /** The coordinators that call this know their own names for models: a worker's only model goes by any. */
  #model(name: string): EngineModel | undefined {
    const [only, ...others] = this.#models;
    return others.length === 0 ? only : this.#models.find(({ description }) => description.name === name);
  }
}

export class PrefilledSession {
  readonly #choices: Choices;
  #reader: Reader | null = null;
  /** Resolves when it has ended, in whatever way. */
  readonly ended: Promise<void>;
  #hasEnded = false;

  constructor(open: (reader: Reader) => Choices) {
    this.#choices = open({ take: (event) => this.#reader?.take(event) ?? "ready" });
    this.ended = this.#run();
  }

  /** Resolves when the prompt is evaluated: to false when the session ended meanwhile. Rejects when the engine fails. */
  async evaluated(): Promise<boolean> {
    try {
      await this.#choices.prefill();
    } catch (error) {
      this.#choices.cancel();
      throw error;
    }
    return !this.#hasEnded;
  }

  /** Generates up to `maxTokens` tokens, and no more than were asked for at first. */
  decode(maxTokens: number, reader: Reader): void {
    this.#reader = {
      take: (event) => {
        // As many as were wanted; there is nobody who would ask for more.
        if (event.type === "credit") this.cancel();
        return reader.take(event);
      },
    };
    this.#choices.grant(maxTokens);
  }

  readerReady(): void {
    this.#choices.readerReady();
  }

  cancel(): void {
    this.#choices.cancel();
  }

  async #run(): Promise<void> {
    await this.#choices.run();
    this.#hasEnded = true;
  }
}

function asUser(content: string): { messages: [{ role: "user"; content: string }] } {
  return { messages: [{ role: "user", content }] };
}
