import { sessionKvBytes } from "../core/fleet/kv.ts";
import type { Connection } from "./connection.ts";
import { remoteDialect } from "./dialects.ts";
import type { EngineMessage, Generation, Stream } from "./engine/generation.ts";
import type { FaultPlan } from "./faults.ts";
import type { Random } from "../core/random.ts";
import type { WorkerSpec } from "./scenario.ts";

/** Tokens that an engine with a fault generates beyond its credit, or an endpoint bills and never sends. */
const EXCESS_TOKENS_MAX = 20;

/** Draws what a worker will make of an attempt: how its answers end, and which faults they have. */
export class Generations {
  readonly #spec: WorkerSpec;
  readonly #faults: FaultPlan;
  readonly #random: Random;
  #nextToken: number;

  constructor(options: { spec: WorkerSpec; faults: FaultPlan; random: Random; firstToken: number }) {
    this.#spec = options.spec;
    this.#faults = options.faults;
    this.#random = options.random;
    this.#nextToken = options.firstToken;
  }

  /** Null where the prompt leaves no room for an answer. What the engine says goes to `send`. */
  draw(
    { dispatch, wish, begun }: Connection,
    { hasState, send }: { hasState: boolean; send: (message: EngineMessage) => void },
  ): Generation | null {
    const served = this.#spec.models.find(({ model }) => model === dispatch.model)!;
    const { promptTokens, blocks, hashTokens } = wish;
    const { isRemote, dialect } = this.#spec;
    const roomTokens = served.contextTokens - promptTokens;
    if (roomTokens <= 0) return null;
    // Another model would have said something else.
    const isOurs = begun !== null && begun.modelHash === (served.modelHash ?? null);
    const firstToken = isOurs ? begun.firstToken : null;
    const overbills = isRemote && this.#faults.strikes("overbilling", 0.1);
    return {
      attempt: dispatch.attempt,
      model: served.model,
      slots: served.slots,
      places: isRemote ? 1 : dispatch.choices,
      promptTokens,
      blocks,
      hashTokens,
      cachedTokens: 0,
      carriedTokens: dispatch.resume?.tokens ?? 0,
      hasState,
      isPrefillOnly: dispatch.isPrefillOnly,
      streams: this.#streams({ dispatch, wish }, { roomTokens, firstToken }),
      hangsInPrefill: this.#faults.strikes("prefill_hang", 0.04),
      kvBytes:
        dispatch.choices *
        sessionKvBytes({
          promptTokens,
          maxTokens: dispatch.maxTokens,
          contextTokens: served.contextTokens,
          bytesPerToken: served.kvBytesPerToken,
        }),
      creditTokens: dispatch.creditTokens,
      creditEdge: dispatch.creditTokens - (dispatch.creditTokens >> 1),
      stopsAtCredit: !isRemote && dialect === "headgate",
      overbilledTokens: overbills ? dispatch.creditTokens + this.#random.between(1, EXCESS_TOKENS_MAX) : 0,
      isPaused: false,
      send: isRemote ? remoteDialect(wish, send) : send,
    };
  }

  /** One for each choice; a remote endpoint mixes them into one. */
  #streams(
    { dispatch, wish }: Pick<Connection, "dispatch" | "wish">,
    { roomTokens, firstToken }: { roomTokens: number; firstToken: number | null },
  ): Stream[] {
    const ceilingTokens = Math.min(dispatch.maxTokens, roomTokens);
    const carriedTokens = dispatch.resume?.tokens ?? 0;
    const answers = wish.answerTokens.slice(dispatch.choice, dispatch.choice + dispatch.choices);
    if (!this.#spec.isRemote) {
      const apart = this.#random.between(1, 6);
      return answers.map((answerTokens, choice) =>
        this.#stream({ answerTokens, ceilingTokens, carriedTokens, waitSteps: choice * apart, firstToken }),
      );
    }
    const answerTokens = answers.reduce((sum, tokens) => sum + Math.min(tokens, ceilingTokens), 0);
    const allTokens = ceilingTokens * dispatch.choices;
    return [
      this.#stream({ answerTokens, ceilingTokens: allTokens, carriedTokens, waitSteps: 0, firstToken }),
    ];
  }

  #stream(answer: {
    answerTokens: number;
    ceilingTokens: number;
    carriedTokens: number;
    waitSteps: number;
    /** Of the answer that it goes on with; null for one of its own. */
    firstToken: number | null;
  }): Stream {
    const { answerTokens, ceilingTokens, carriedTokens, waitSteps } = answer;
    const overrunTokens = this.#faults.strikes("overrun", 0.03)
      ? this.#random.between(1, EXCESS_TOKENS_MAX)
      : 0;
    const overrunning = ceilingTokens + overrunTokens;
    const firstToken = answer.firstToken ?? this.#nextToken;
    // Leaves room for all it may generate, so that no two tokens share a number.
    if (answer.firstToken === null) this.#nextToken += ceilingTokens + EXCESS_TOKENS_MAX;
    return {
      endsAtTokens: overrunTokens > 0 ? overrunning : Math.min(answerTokens, ceilingTokens),
      finishReason: answerTokens < ceilingTokens ? "stop" : "length",
      stallsAtTokens: this.#faults.strikes("decode_stall", 0.04) ? this.#random.between(0, 20) : Infinity,
      overrunTokens,
      waitSteps,
      firstToken,
      generatedTokens: carriedTokens,
      toldTokens: carriedTokens,
      sentTokens: carriedTokens,
    };
  }
}
