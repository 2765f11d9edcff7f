import type { CacheReport, ReceiptsRead } from "../core/events.ts";
import type { Random } from "../core/random.ts";
import type { Micros } from "../core/units.ts";
import type { Connection } from "./connection.ts";
import { Engine } from "./engine/engine.ts";
import { type EngineMessage, generatedTokens, type Generation, usageOf } from "./engine/generation.ts";
import { StepNoise } from "./engine/step-time.ts";
import type { FaultPlan } from "./faults.ts";
import { Parking } from "./parking.ts";
import { Generations } from "./generations.ts";
import type { WorkerSpec } from "./scenario.ts";
import type { Sighting } from "./sightings.ts";
import type { VirtualTime } from "./virtual-time.ts";

/**
 * How a worker that is not running treats who calls it: `refusing` as a machine without the
 * process does, `silent` as a machine that is gone.
 */
export type WorkerState = "up" | "draining" | "refusing" | "silent";

type Receipt = ReceiptsRead["receipts"][number];

/** All of the cache is told in one of so many reports, for those who have missed one. */
const REPORTS_PER_WHOLE = 60;

/** What surrounds a worker. */
export interface WorkerParts {
  spec: WorkerSpec;
  time: VirtualTime;
  faults: FaultPlan;
  random: Random;
  saw: (sighting: Sighting) => void;
  /** First of the numbers that its tokens get. */
  firstToken: number;
  /** Within a microsecond, when its steps end: see `EngineOptions`. */
  fraction: number;
  perToken?: boolean;
  /** Tokens of an attempt were read or generated, at that time. */
  served?: (attempt: string, atUs: Micros, tokens: { prompt: number; output: number }) => void;
  /** The state that a parked attempt has left on another worker. */
  stateOn?: (worker: string, attempt: string) => boolean;
}

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
  readonly #stateOn: NonNullable<WorkerParts["stateOn"]>;
  #state: WorkerState = "up";
  #incarnation = 1;
  #cacheReports = 0;
  /** What it has on paper, whatever becomes of its process: what each attempt came to that it saw the end of. */
  readonly #receipts = new Map<string, Receipt>();
  readonly #parking: Parking;
  /** Sessions that other supervisors have here. */
  foreignSessions = 0;

  constructor(parts: WorkerParts) {
    const { spec, time, random, served } = parts;
    this.spec = spec;
    this.#time = time;
    this.#faults = parts.faults;
    this.#random = random;
    this.#saw = parts.saw;
    this.#stateOn = parts.stateOn ?? (() => false);
    this.#parking = new Parking(spec.parking);
    const { profile, burstTokens, stepNoise } = spec.engine;
    this.#engine = new Engine({
      profile,
      time,
      burstTokens,
      noise: new StepNoise({ seed: random.between(0, 2 ** 32 - 1), deviation: stepNoise }),
      perToken: parts.perToken ?? false,
      fraction: parts.fraction,
      ...(served && { served: ({ attempt }, atUs, tokens) => served(attempt, atUs, tokens) }),
    });
    this.#generations = new Generations(parts);
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
    return this.#engine.places();
  }

  /** Whether an answer is under way in its engine. */
  get isAnswering(): boolean {
    for (const generation of this.#engine.generations()) {
      if (generatedTokens(generation) > generation.carriedTokens) return true;
    }
    return false;
  }

  /** Those that a certain life of the supervisor has sent. */
  runningOf(life: number): number {
    let places = 0;
    for (const generation of this.#engine.generations()) {
      if (this.#connections.get(generation.attempt)?.life === life) places += generation.places;
    }
    return places;
  }

  get kvBytes(): number {
    return this.#engine.kvBytes;
  }

  /** Share of the KV cache that its sequences hold. */
  get kvShare(): number {
    return this.#engine.kvShare;
  }

  /** The engine's work so far. */
  get progress(): number {
    return this.#engine.progress;
  }

  /** Attempts in its engine, for the checkers. */
  get attempts(): string[] {
    return Array.from(this.#engine.generations(), ({ attempt }) => attempt);
  }

  /** What has changed in the prefix cache since the last report, or all of it; null for an engine without one. */
  cacheReport(): CacheReport | null {
    if (!this.spec.engine.profile.prefixCache) return null;
    const { cache } = this.#engine;
    const changes = cache.takeChanges();
    if (changes !== null && this.#cacheReports % REPORTS_PER_WHOLE !== 0) {
      return { sequence: this.#cacheReports++ % REPORTS_PER_WHOLE, ...changes };
    }
    this.#cacheReports = 1;
    return { sequence: 0, stored: [...cache.hashes], removed: [] };
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
    if (generation === null || !this.#engine.fits(generation))
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

  /** Stops the attempt between two tokens and keeps its state; one that has ended is not there any more. */
  park(attempt: string): void {
    if (this.isRunning) this.#engine.park(attempt);
  }

  /** Whether it has the state of a parked attempt. */
  hasState(attempt: string): boolean {
    return this.isRunning && this.#parking.has(attempt, this.#time.nowUs);
  }

  freeState(attempt: string): void {
    this.#parking.free(attempt);
  }

  /** Of those attempts that it knows; a worker that is not there knows nothing. */
  receipts(attempts: readonly string[]): Receipt[] {
    if (!this.isRunning) return [];
    return attempts.flatMap((attempt) => this.#receipts.get(attempt) ?? []);
  }

  pause(attempt: string): void {
    this.#engine.setPaused(attempt, true);
  }

  resume(attempt: string): void {
    this.#engine.setPaused(attempt, false);
  }

  /** Its steps take that many times as long. */
  slowDown(factor: number): void {
    this.#engine.slowDown(factor);
  }

  /** Alive, reporting, and at a standstill. */
  setStuck(isStuck: boolean): void {
    this.#engine.setStuck(isStuck);
  }

  /** The process ends. `resetAfterUs` is when its connections are reset; null when they never are. */
  crash(state: "refusing" | "silent", resetAfterUs: number | null): void {
    this.#state = state;
    const generations = [...this.#engine.generations()];
    this.#engine.clear();
    for (const generation of generations) {
      const connection = this.#connections.get(generation.attempt);
      this.#ended(generation);
      if (connection === undefined || resetAfterUs === null) continue;
      this.#time.after(resetAfterUs, () => connection.fail(brokenBy(generation), "connection reset"));
    }
    this.#connections.clear();
    this.#parking.clear();
  }

  restart(): void {
    this.#state = "up";
    this.#incarnation++;
    this.#cacheReports = 0;
  }

  drain(): void {
    this.#state = "draining";
  }

  #stop(attempt: string): Generation | undefined {
    const generation = this.#engine.stop(attempt);
    if (generation !== undefined) {
      this.#write(generation, { isParked: false });
      this.#ended(generation);
    }
    return generation;
  }

  #write(generation: Generation, { isParked }: { isParked: boolean }): void {
    const { attempt, model, carriedTokens } = generation;
    const usage = usageOf(generation);
    // What it has generated itself: the receipts of one answer add up to its tokens.
    const completionTokens = usage.completionTokens - carriedTokens;
    const own = { ...usage, completionTokens };
    this.#receipts.set(attempt, { attempt, model, usage: own, continuedFrom: carriedTokens, isParked });
  }

  #ended(generation: Generation): void {
    const { attempt, streams, carriedTokens } = generation;
    this.#connections.delete(attempt);
    const overrunning = streams.filter(({ overrunTokens }) => overrunTokens > 0);
    const unpaidTokens = overrunning.reduce((sum, stream) => sum + stream.generatedTokens - carriedTokens, 0);
    const tokens = generatedTokens(generation) - carriedTokens;
    this.#saw({ kind: "generation_ended", attempt, tokens, unpaidTokens });
  }

  #generation(connection: Connection): Generation | null {
    const { attempt, resume } = connection.dispatch;
    const stateOn = resume?.stateOn ?? null;
    const generation: Generation | null = this.#generations.draw(connection, {
      hasState: resume !== null && stateOn !== null && this.#fetches(stateOn, resume.attempt),
      send: (message) => {
        if (generation !== null) this.#noteEnd(generation, message);
        connection.send(
          message.kind === "parked" ? { ...message, hasState: this.hasState(attempt) } : message,
        );
      },
    });
    return generation;
  }

  /** Gets the KV state of a parked attempt from another worker, or can't and has to read everything again. */
  #fetches(worker: string, attempt: string): boolean {
    return this.#stateOn(worker, attempt) && !this.#faults.strikes("state_not_fetched", 0.2);
  }

  #noteEnd(generation: Generation, { kind }: EngineMessage): void {
    if (kind !== "finished" && kind !== "parked") return;
    const isKept = kind === "parked" && !this.#faults.strikes("state_lost", 0.2);
    if (isKept) this.#parking.keep(generation.attempt, this.#time.nowUs);
    this.#write(generation, { isParked: kind === "parked" });
    this.#ended(generation);
  }

  #hasRoom(generation: Generation): boolean {
    if (this.#state !== "up") return false;
    const { limits } = this.spec;
    const { places } = generation;
    const used = this.#engine.places() + this.foreignSessions;
    return (
      this.#engine.places(generation.model) + this.foreignSessions + places <= generation.slots &&
      used + places <= limits.sessionsMax &&
      this.#engine.kvBytes + generation.kvBytes <= limits.kvBytesMax &&
      this.#engine.takes(generation)
    );
  }

  #cutLater(generation: Generation, connection: Connection): void {
    this.#time.after(this.#random.exponential(500_000), () => {
      if (this.#stop(generation.attempt) === undefined) return;
      connection.fail(brokenBy(generation), "connection reset");
    });
  }
}

/** How it looks from outside when the connection breaks. */
function brokenBy(generation: Generation): "stream_broken" | "unreachable" {
  return generatedTokens(generation) > generation.carriedTokens ? "stream_broken" : "unreachable";
}
