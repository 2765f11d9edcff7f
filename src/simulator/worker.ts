import type { ReceiptsRead } from "../core/events.ts";
import type { Connection } from "./connection.ts";
import { Engine, generatedTokens, type Generation, usageOf } from "./engine.ts";
import type { FaultPlan } from "./faults.ts";
import { Generations } from "./generations.ts";
import type { Random } from "./random.ts";
import type { WorkerSpec } from "./scenario.ts";
import type { Sighting } from "./sightings.ts";
import type { VirtualTime } from "./virtual-time.ts";

/**
 * How a worker that is not running treats who calls it: `refusing` as a machine without the
 * process does, `silent` as a machine that is gone.
 */
export type WorkerState = "up" | "draining" | "refusing" | "silent";

type Receipt = ReceiptsRead["receipts"][number];

/** A worker process with its engine; a remote endpoint is one that sends no heartbeats. */
export class VirtualWorker {
  readonly spec: WorkerSpec;
  readonly #time: VirtualTime;
  readonly #faults: FaultPlan;
  readonly #random: Random;
  readonly #saw: (sighting: Sighting) => void;
  readonly #engine: Engine;
  readonly #generations: Generations;
  readonly #connections = new Map<string, Connection>();
  #state: WorkerState = "up";
  #incarnation = 1;
  /** What it has on paper, whatever becomes of its process: what each attempt came to that it saw the end of. */
  readonly #receipts = new Map<string, Receipt>();
  /** Sessions that other supervisors have here. */
  foreignSessions = 0;

  constructor(options: {
    spec: WorkerSpec;
    time: VirtualTime;
    faults: FaultPlan;
    random: Random;
    saw: (sighting: Sighting) => void;
    /** First of the numbers that its tokens get. */
    firstToken: number;
  }) {
    this.spec = options.spec;
    this.#time = options.time;
    this.#faults = options.faults;
    this.#random = options.random;
    this.#saw = options.saw;
    this.#engine = new Engine(options.spec.engine, options.time);
    this.#generations = new Generations(options);
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

  /** Sessions in its engine, whoever sent them. */
  get running(): number {
    return this.#engine.running;
  }

  /** Those that a certain life of the supervisor has sent. */
  runningOf(life: number): number {
    let places = 0;
    for (const generation of this.#engine.generations) {
      if (this.#connections.get(generation.attempt)?.life === life) places += generation.places;
    }
    return places;
  }

  get kvBytes(): number {
    return this.#engine.kvBytes;
  }

  /** Attempts in its engine, for the checkers. */
  get attempts(): string[] {
    return Array.from(this.#engine.generations, ({ attempt }) => attempt);
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
    const generation = this.#generation(connection);
    if (generation === null)
      return connection.fail("context_length_exceeded", "The prompt fills the context.");
    if (!this.#hasRoom(generation)) return connection.fail("at_capacity", "HTTP 429");
    this.#connections.set(attempt, connection);
    this.#engine.start(generation);
    if (this.#faults.strikes("stream_cut", 0.05)) this.#cutLater(generation, connection);
  }

  /** More credit for an attempt; one that has ended needs none. */
  grant(attempt: string, creditTokens: number): void {
    if (this.isRunning) this.#engine.grant(attempt, creditTokens);
  }

  /** The worker sees that the supervisor has closed the connection. */
  cancel(connection: Connection): void {
    connection.close();
    this.#stop(connection.dispatch.attempt);
  }

  /** Of those attempts that it knows; a worker that is not there knows nothing. */
  receipts(attempts: readonly string[]): Receipt[] {
    if (!this.isRunning) return [];
    return attempts.flatMap((attempt) => this.#receipts.get(attempt) ?? []);
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
    for (const generation of this.#engine.generations) {
      const connection = this.#connections.get(generation.attempt);
      this.#ended(generation);
      if (connection === undefined || resetAfterUs === null) continue;
      const reason = generatedTokens(generation) > 0 ? "stream_broken" : "unreachable";
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

  #stop(attempt: string): Generation | undefined {
    const generation = this.#engine.stop(attempt);
    if (generation !== undefined) {
      this.#write(generation);
      this.#ended(generation);
    }
    return generation;
  }

  #write(generation: Generation): void {
    const { attempt, model } = generation;
    this.#receipts.set(attempt, { attempt, model, usage: usageOf(generation) });
  }

  #ended(generation: Generation): void {
    const { attempt, streams } = generation;
    this.#connections.delete(attempt);
    const overrunning = streams.filter(({ overrunTokens }) => overrunTokens > 0);
    const unpaidTokens = overrunning.reduce((sum, stream) => sum + stream.generatedTokens, 0);
    this.#saw({ kind: "generation_ended", attempt, tokens: generatedTokens(generation), unpaidTokens });
  }

  #generation(connection: Connection): Generation | null {
    const generation: Generation | null = this.#generations.draw(connection, (message) => {
      if (message.kind === "finished" && generation !== null) {
        this.#write(generation);
        this.#ended(generation);
      }
      connection.send(message);
    });
    return generation;
  }

  #hasRoom(generation: Generation): boolean {
    if (this.#state !== "up") return false;
    const { limits } = this.spec;
    let used = this.foreignSessions;
    for (const { model, places } of this.#engine.generations) if (model === generation.model) used += places;
    return (
      used + generation.places <= generation.slots &&
      this.#engine.running + this.foreignSessions + generation.places <= limits.sessionsMax &&
      this.#engine.kvBytes + generation.kvBytes <= limits.kvBytesMax
    );
  }

  #cutLater(generation: Generation, connection: Connection): void {
    this.#time.after(this.#random.exponential(500_000), () => {
      if (this.#stop(generation.attempt) === undefined) return;
      const reason = generatedTokens(generation) > 0 ? "stream_broken" : "unreachable";
      connection.fail(reason, "connection reset");
    });
  }
}
