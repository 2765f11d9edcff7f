import { assert } from "../core/assert.ts";
import type {
  AskReceipts,
  CancelAttempt,
  Dispatch,
  FreeState,
  GrantCredit,
  ParkAttempt,
} from "../core/effects.ts";
import type { TokenRange } from "./engine/generation.ts";
import type { EndpointsPort } from "../supervisor/ports.ts";
import { type Begun, Connection, type ConnectionEnds, type Wish } from "./connection.ts";
import type { FaultPlan } from "./faults.ts";
import type { VirtualWorker } from "./worker.ts";

/** One process's side of its connections to workers and remote endpoints. */
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
      begun: effect.resume === null ? null : this.#begunBy(effect.resume.attempt),
      crosses,
      ends: this.#ends,
    });
    if (this.#paused.has(effect.request)) connection.pause();
    this.#connections.set(effect.attempt, connection);
    const siblings = this.#byRequest.get(effect.request);
    if (siblings === undefined) this.#byRequest.set(effect.request, [connection]);
    else siblings.push(connection);
    this.#later(effect.worker, (worker) => worker.receive(connection));
  }

  #begunBy(attempt: string): Begun {
    const before = this.#connections.get(attempt);
    assert(before !== undefined, `${attempt} is remembered as long as its request is there`);
    const { dispatch, firstToken, begun } = before;
    const models = this.#workers.get(dispatch.worker)?.spec.models;
    const served = models?.find(({ model }) => model === dispatch.model);
    return { firstToken, modelHash: begun === null ? (served?.modelHash ?? null) : begun.modelHash };
  }

  /** A call of its own, so grants may overtake each other. */
  grantCredit({ attempt, creditTokens }: GrantCredit): void {
    const connection = this.#connections.get(attempt);
    if (connection === undefined || this.#faults.strikes("credit_lost", 0.05)) return;
    this.#later(connection.dispatch.worker, (worker) => worker.grant(attempt, creditTokens));
  }

  /** As a call of its own it may come late; then the attempt has ended in another way, or goes on for a while. */
  park({ attempt }: ParkAttempt): void {
    const connection = this.#connections.get(attempt);
    if (connection !== undefined) this.#later(connection.dispatch.worker, (worker) => worker.park(attempt));
  }

  freeState({ worker: id, attempt }: FreeState): void {
    this.#later(id, (worker) => worker.freeState(attempt));
  }

  askReceipts({ worker, attempts }: AskReceipts): void {
    const { submit } = this.#ends;
    this.#later(worker, (asked) => {
      const receipts = asked.receipts(attempts);
      if (receipts.length > 0) this.#later(worker, () => submit({ kind: "receipts_read", worker, receipts }));
    });
  }

  cancel(effect: CancelAttempt): void {
    const connection = this.#connections.get(effect.attempt);
    if (connection === undefined) return;
    connection.cancel();
    this.#closeLater(connection);
  }

  /** Tokens of one choice of the attempt on their way to the client. */
  take(attempt: string, { choice, tokens }: { choice: number; tokens: number }): TokenRange[] {
    const connection = this.#connections.get(attempt);
    return connection?.take(choice - connection.dispatch.choice, tokens) ?? [];
  }

  /** The client does not read: neither does the supervisor, and in the end the engine waits. */
  pause(request: string): void {
    this.#paused.add(request);
    for (const connection of this.#byRequest.get(request) ?? []) {
      const { attempt, worker } = connection.dispatch;
      connection.pause();
      this.#later(worker, (paused) => paused.pause(attempt));
    }
  }

  resume(request: string): void {
    this.#paused.delete(request);
    for (const connection of this.#byRequest.get(request) ?? []) {
      const { attempt, worker } = connection.dispatch;
      connection.resume();
      this.#later(worker, (resumed) => resumed.resume(attempt));
    }
  }

  forget(request: string): void {
    this.#paused.delete(request);
    for (const { dispatch } of this.#byRequest.get(request) ?? []) this.#connections.delete(dispatch.attempt);
    this.#byRequest.delete(request);
  }

  /** The process has ended: the system closes its connections, and workers see that a little later. */
  breakAll(): void {
    for (const connection of this.#connections.values()) {
      connection.cut();
      this.#closeLater(connection);
    }
  }

  #closeLater(connection: Connection): void {
    this.#later(connection.dispatch.worker, (worker) => worker.cancel(connection));
  }

  #later(id: string, act: (worker: VirtualWorker) => void): void {
    const { time, network } = this.#ends;
    time.after(network.delayUs(id), () => {
      const worker = this.#workers.get(id);
      if (worker !== undefined) act(worker);
    });
  }
}
