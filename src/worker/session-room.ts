import { kvBytesPerToken, sessionKvBytes } from "../core/fleet/kv.ts";
import type { WorkerLimits } from "../core/vocabulary.ts";
import type { EngineModel } from "./engine.ts";
import { Refusal } from "./errors.ts";
import type { Extent } from "./generation-request.ts";

/**
 * The worker's limits, and what is taken of them. What a generation may come to hold is counted in full from the moment
 * it is accepted until it ends, with the formula that the supervisor uses, so both sides have the same figure and
 * nothing that was accepted runs out of memory later.
 */
export class SessionRoom {
  readonly #limits: WorkerLimits;
  #sessions = 0;
  #kvBytes = 0;

  constructor(limits: WorkerLimits) {
    this.#limits = limits;
  }

  /** That run; each choice of a request is one. */
  get sessions(): number {
    return this.#sessions;
  }

  /** Bytes of KV cache set aside for them. */
  get kvBytes(): number {
    return this.#kvBytes;
  }

  /** Bytes of KV cache that could still be set aside. */
  get kvBytesLeft(): number {
    return this.#limits.kvBytesMax - this.#kvBytes;
  }

  /** The bytes of KV cache that each of so many choices may come to hold. Throws a {@link Refusal} without room for all. */
  check(model: EngineModel, { prompt, maxTokens }: Extent, count: number): number {
    const { sessionsMax, sessionKvBytesMax, kvBytesMax } = this.#limits;
    if (this.#sessions + count > sessionsMax) {
      throw new Refusal("max_sessions_exceeded", `${sessionsMax} sessions run here, and no more may.`);
    }
    const kvBytes = sessionKvBytes({
      promptTokens: prompt.length,
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

  /** So many sessions begin, each of which may come to hold that much. */
  take(count: number, kvBytes: number): void {
    this.#sessions += count;
    this.#kvBytes += count * kvBytes;
  }

  /** One of them has ended. */
  free(kvBytes: number): void {
    this.#sessions--;
    this.#kvBytes -= kvBytes;
  }
}
