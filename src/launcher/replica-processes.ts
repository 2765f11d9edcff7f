import cluster, { type Worker } from "node:cluster";
import { fileURLToPath } from "node:url";
import { ProcessKeeper } from "../supervisor/process-keeper.ts";
import { closeLostConnection } from "./lost-connections.ts";
import type { FromReplica, ToReplica } from "./messages.ts";

const PROGRAM = fileURLToPath(new URL("replica-process.ts", import.meta.url));

/** How long what an ended process has sent is waited for, in ms. */
const READ_MS_MAX = 1_000;

export interface ReplicaProcessEvents {
  message(name: string, message: FromReplica): void;
  /** The process has ended; another one is started in its place after `restartMs` unless that is null. */
  exited(name: string, reason: string, restartMs: number | null): void;
  /** It has ended, and all that it had sent was told: nothing of it can come any more. */
  left(name: string): void;
}

/**
 * The replicas of the supervisor, each a process that listens on the same port: the launcher takes connections in and
 * hands them out in turn. One that has ended, however, is replaced by another one under another name.
 */
export class ReplicaProcesses {
  readonly #events: ReplicaProcessEvents;
  readonly #keeper: ProcessKeeper;
  readonly #lives = new Map<string, { worker: Worker; onReady: () => void }>();
  #started = 0;
  #onAllLeft: () => void = () => {};

  constructor(events: ReplicaProcessEvents) {
    this.#events = events;
    // Not JSON: what is sent is cloned, as in one process.
    cluster.setupPrimary({ exec: PROGRAM, args: [], serialization: "advanced" });
    /** Who lives in each place. */
    const names = new Map<string, string>();
    this.#keeper = new ProcessKeeper({
      start: (place, onReady) => {
        const name = String((this.#started += 1));
        names.set(place, name);
        return this.#start(name, onReady).process;
      },
      exited: (place, reason, restartMs) => events.exited(names.get(place)!, reason, restartMs),
    });
  }

  start(count: number): void {
    for (let place = 1; place <= count; place++) this.#keeper.start(String(place));
  }

  /** What is sent to one that ends meanwhile is lost. */
  send(name: string, message: ToReplica): void {
    const worker = this.#lives.get(name)?.worker;
    if (worker?.isConnected()) worker.send(message, () => {});
  }

  /** It serves: when it ends after a while, another one is started soon. */
  isReady(name: string): void {
    this.#lives.get(name)?.onReady();
  }

  /** Ends one that does not answer, by force. */
  kill(name: string): void {
    this.#lives.get(name)?.worker.process.kill("SIGKILL");
  }

  /** Ends all by force, without waiting. */
  killAll(): void {
    this.#keeper.killAll();
  }

  /** Has all of them drain and end, those by force that are still there after the grace, in ms. */
  async stop(graceMs: number): Promise<void> {
    const { promise: allLeft, resolve } = Promise.withResolvers<void>();
    this.#onAllLeft = resolve;
    const drain: ToReplica = { kind: "drain" };
    for (const name of this.#lives.keys()) this.send(name, drain);
    await this.#keeper.stop(graceMs, () => {});
    if (this.#lives.size > 0) await allLeft;
  }

  #start(name: string, onReady: () => void): Worker {
    const worker = cluster.fork();
    closeLostConnection(worker.process);
    this.#lives.set(name, { worker, onReady });
    worker.on("message", (message: FromReplica) => this.#events.message(name, message));
    const onLeft = (): void => {
      if (!this.#lives.delete(name)) return;
      this.#events.left(name);
      if (this.#lives.size === 0) this.#onAllLeft();
    };
    worker.process.once("exit", () => {
      if (!worker.isConnected()) return onLeft();
      // What it sent before it ended may still have to be read. Where a connection was on its way, no end is told.
      worker.process.once("disconnect", onLeft);
      setTimeout(onLeft, READ_MS_MAX);
    });
    return worker;
  }
}
