import type { CancelAttempt, Dispatch } from "../core/effects.ts";
import type { EndpointsPort } from "../supervisor/ports.ts";
import { Connection, type ConnectionEnds, type Wish } from "./connection.ts";
import type { FaultPlan } from "./faults.ts";
import type { VirtualWorker } from "./worker.ts";

/** The supervisor's side of its connections to workers and remote endpoints. */
export class VirtualEndpoints implements EndpointsPort {
  readonly #workers: ReadonlyMap<string, VirtualWorker>;
  readonly #faults: FaultPlan;
  readonly #ends: ConnectionEnds;
  readonly #wishOf: (request: string) => Wish;
  readonly #connections = new Map<string, Connection>();
  /** Attempts of each request that is not settled, to pause them together and to forget them in the end. */
  readonly #byRequest = new Map<string, Connection[]>();
  readonly #paused = new Set<string>();

  constructor(options: {
    workers: ReadonlyMap<string, VirtualWorker>;
    faults: FaultPlan;
    ends: ConnectionEnds;
    wishOf: (request: string) => Wish;
  }) {
    this.#workers = options.workers;
    this.#faults = options.faults;
    this.#ends = options.ends;
    this.#wishOf = options.wishOf;
  }

  dispatch(effect: Dispatch): void {
    const crosses = this.#faults.strikes("crossing_event", 0.5);
    const connection = new Connection(effect, {
      wish: this.#wishOf(effect.request),
      crosses,
      ends: this.#ends,
    });
    if (this.#paused.has(effect.request)) connection.pause();
    this.#connections.set(effect.attempt, connection);
    const siblings = this.#byRequest.get(effect.request);
    if (siblings === undefined) this.#byRequest.set(effect.request, [connection]);
    else siblings.push(connection);
    this.#later(() => this.#workers.get(effect.worker)?.receive(connection));
  }

  cancel(effect: CancelAttempt): void {
    const connection = this.#connections.get(effect.attempt);
    if (connection === undefined) return;
    connection.cancel();
    this.#later(() => this.#workers.get(connection.dispatch.worker)?.cancel(connection));
  }

  /** Tokens of the attempt on their way to the client. */
  take(attempt: string, tokens: number): number[] {
    return this.#connections.get(attempt)?.take(tokens) ?? [];
  }

  /** The client does not read: neither does the supervisor, and in the end the engine waits. */
  pause(request: string): void {
    this.#paused.add(request);
    for (const connection of this.#byRequest.get(request) ?? []) {
      const { attempt, worker } = connection.dispatch;
      connection.pause();
      this.#later(() => this.#workers.get(worker)?.pause(attempt));
    }
  }

  resume(request: string): void {
    this.#paused.delete(request);
    for (const connection of this.#byRequest.get(request) ?? []) {
      const { attempt, worker } = connection.dispatch;
      connection.resume();
      this.#later(() => this.#workers.get(worker)?.resume(attempt));
    }
  }

  forget(request: string): void {
    this.#paused.delete(request);
    for (const { dispatch } of this.#byRequest.get(request) ?? []) this.#connections.delete(dispatch.attempt);
    this.#byRequest.delete(request);
  }

  #later(act: () => void): void {
    this.#ends.time.after(this.#ends.network.delayUs(), act);
  }
}
