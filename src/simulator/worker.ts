import { sessionKvBytes } from "../core/fleet/kv.ts";
import type { Connection } from "./connection.ts";
import { remoteDialect } from "./dialects.ts";
import { Engine, type EngineMessage, type Sequence } from "./engine.ts";
import type { FaultPlan } from "./faults.ts";
import type { Random } from "./random.ts";
import type { WorkerSpec } from "./scenario.ts";
import type { VirtualTime } from "./virtual-time.ts";

/**
 * How a worker that is not running treats who calls it: `refusing` as a machine without the
 * process does, `silent` as a machine that is gone.
 */
export type WorkerState = "up" | "draining" | "refusing" | "silent";

/** Tokens that an engine with a fault generates beyond its credit. */
const OVERRUN_TOKENS_MAX = 20;

/** A worker process with its engine; a remote endpoint is one that sends no heartbeats. */
export class VirtualWorker {
  readonly spec: WorkerSpec;
  readonly #time: VirtualTime;
  readonly #faults: FaultPlan;
  readonly #random: Random;
  readonly #engine: Engine;
  readonly #connections = new Map<string, Connection>();
  #state: WorkerState = "up";
  #incarnation = 1;
  #tokens = 0;
  /** Sessions that other supervisors have here. */
  foreignSessions = 0;

  constructor(options: {
    spec: WorkerSpec;
    time: VirtualTime;
    faults: FaultPlan;
    random: Random;
    /** First of the numbers that its tokens get. */
    firstToken: number;
  }) {
    this.spec = options.spec;
    this.#time = options.time;
    this.#faults = options.faults;
    this.#random = options.random;
    this.#engine = new Engine(options.spec.engine, options.time);
    this.#tokens = options.firstToken;
  }

  get state(): WorkerState {
    return this.#state;
  }

  get isRunning(): boolean {
    return this.#state === "up" || this.#state === "draining";
  }

  /** Changes with every start of the process. */
  get epoch(): string {
    return `${this.spec.id}:${this.#incarnation}`;
  }

  get running(): number {
    return this.#engine.running;
  }

  get kvBytes(): number {
    return this.#engine.kvBytes;
  }

  /** Attempts in its engine, for the checkers. */
  get attempts(): string[] {
    return Array.from(this.#engine.sequences, ({ attempt }) => attempt);
  }

  /** An attempt arrives. */
  receive(connection: Connection): void {
    const { attempt } = connection.dispatch;
    // The cancellation has overtaken it.
    if (connection.isClosed) return;
    if (this.#state === "silent") return;
    if (this.#state === "refusing") return connection.fail("unreachable", "connection refused");
    if (this.#faults.strikes("endpoint_error", 0.05)) return connection.fail("endpoint_error", "HTTP 500");
    if (this.#faults.strikes("request_rejected", 0.02))
      return connection.fail("request_rejected", "HTTP 400");
    const sequence = this.#sequence(connection);
    if (sequence === null) return connection.fail("context_length_exceeded", "The prompt fills the context.");
    if (!this.#hasRoom(sequence)) return connection.fail("at_capacity", "HTTP 429");
    this.#connections.set(attempt, connection);
    this.#engine.start(sequence);
    if (this.#faults.strikes("stream_cut", 0.05)) this.#cutLater(sequence, connection);
  }

  /** The worker sees that the supervisor has closed the connection. */
  cancel(connection: Connection): void {
    connection.close();
    this.#engine.stop(connection.dispatch.attempt);
    this.#connections.delete(connection.dispatch.attempt);
  }

  pause(attempt: string): void {
    this.#engine.pause(attempt);
  }

  resume(attempt: string): void {
    this.#engine.resume(attempt);
  }

  /** The process ends. `resetAfterUs` is when its connections are reset; null when they never are. */
  crash(state: "refusing" | "silent", resetAfterUs: number | null): void {
    this.#state = state;
    for (const sequence of this.#engine.sequences) {
      const connection = this.#connections.get(sequence.attempt);
      if (connection === undefined || resetAfterUs === null) continue;
      const reason = sequence.generatedTokens > 0 ? "stream_broken" : "unreachable";
      this.#time.after(resetAfterUs, () => connection.fail(reason, "connection reset"));
    }
    this.#engine.clear();
    this.#connections.clear();
  }

  restart(): void {
    this.#state = "up";
    this.#incarnation++;
  }

  drain(): void {
    this.#state = "draining";
  }

  #sequence(connection: Connection): Sequence | null {
    const { dispatch, wish } = connection;
    const served = this.spec.models.find(({ model }) => model === dispatch.model)!;
    const { promptTokens, cachedTokens, answerTokens } = wish;
    const roomTokens = served.contextTokens - promptTokens;
    if (roomTokens <= 0) return null;
    const ceilingTokens = Math.min(dispatch.maxTokens, roomTokens) * dispatch.choices;
    const ends = Math.min(answerTokens * dispatch.choices, ceilingTokens);
    const overrun = this.#faults.strikes("overrun", 0.03);
    const firstToken = this.#tokens;
    const send = (message: EngineMessage): void => {
      if (message.kind === "finished") this.#connections.delete(dispatch.attempt);
      connection.send(message);
    };
    // Leaves room for all it may generate, so that no two tokens share a number.
    this.#tokens += dispatch.creditTokens + OVERRUN_TOKENS_MAX;
    return {
      attempt: dispatch.attempt,
      model: served.model,
      slots: served.slots,
      promptTokens,
      cachedTokens,
      answerTokens: overrun ? dispatch.creditTokens + this.#random.between(1, OVERRUN_TOKENS_MAX) : ends,
      finishReason: ends < ceilingTokens ? "stop" : "length",
      hangsInPrefill: this.#faults.strikes("prefill_hang", 0.04),
      stallsAtTokens: this.#faults.strikes("decode_stall", 0.04) ? this.#random.between(0, 20) : Infinity,
      kvBytes: sessionKvBytes({
        promptTokens,
        maxTokens: dispatch.maxTokens,
        contextTokens: served.contextTokens,
        bytesPerToken: served.kvBytesPerToken,
      }),
      nextToken: firstToken,
      unreadTokens: Math.max(1, promptTokens - cachedTokens),
      generatedTokens: 0,
      isPaused: false,
      send: this.spec.isRemote ? remoteDialect(wish, send) : send,
    };
  }

  #hasRoom(sequence: Sequence): boolean {
    if (this.#state !== "up") return false;
    const { limits } = this.spec;
    let used = this.foreignSessions;
    for (const { model } of this.#engine.sequences) if (model === sequence.model) used++;
    return (
      used < sequence.slots &&
      this.#engine.running + this.foreignSessions < limits.sessionsMax &&
      this.#engine.kvBytes + sequence.kvBytes <= limits.kvBytesMax
    );
  }

  #cutLater(sequence: Sequence, connection: Connection): void {
    this.#time.after(this.#random.exponential(500_000), () => {
      if (!this.#engine.stop(sequence.attempt)) return;
      this.#connections.delete(sequence.attempt);
      const reason = sequence.generatedTokens > 0 ? "stream_broken" : "unreachable";
      connection.fail(reason, "connection reset");
    });
  }
}
