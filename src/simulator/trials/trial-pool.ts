import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { TrialOutcome, TrialPlan, TrialProgress } from "./trial.ts";

/** What a thread is asked to do, one at a time. */
export interface TrialOrder {
  plan: TrialPlan;
  keepResult: boolean;
}

/** What a thread says. */
export type TrialMessage =
  | { type: "progress"; progress: TrialProgress }
  | { type: "done"; outcome: TrialOutcome }
  | { type: "failed"; message: string };

/** A flag that all threads see, even while they work. */
export type StopFlag = Int32Array<SharedArrayBuffer>;

interface Job extends TrialOrder {
  onProgress: (progress: TrialProgress) => void;
  resolve: (outcome: TrialOutcome) => void;
  reject: (error: Error) => void;
}

/** Runs trials in as many threads as there are cores; what finds none free waits in line. */
export class TrialPool implements AsyncDisposable {
  readonly #threadsMax: number;
  readonly #threads = new Set<Worker>();
  readonly #idle: Worker[] = [];
  readonly #waiting: Job[] = [];
  readonly #running = new Map<Worker, Job>();
  readonly #stop: StopFlag = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));

  constructor(threadsMax: number = availableParallelism()) {
    this.#threadsMax = threadsMax;
  }

  get isStopped(): boolean {
    return Atomics.load(this.#stop, 0) === 1;
  }

  /** Rejects when the plan can't be run, or when the pool was stopped before its turn came. */
  run(order: TrialOrder, onProgress: (progress: TrialProgress) => void = () => {}): Promise<TrialOutcome> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...order, onProgress, resolve, reject });
      this.#assign();
    });
  }

  /** Runs under way end with what they have; those in line don't begin. */
  stop(): void {
    Atomics.store(this.#stop, 0, 1);
    for (const job of this.#waiting.splice(0)) job.reject(new StoppedError());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#threads].map((thread) => thread.terminate()));
  }

  #assign(): void {
    if (this.isStopped) {
      for (const job of this.#waiting.splice(0)) job.reject(new StoppedError());
      return;
    }
    while (this.#waiting.length > 0) {
      const thread = this.#idle.pop() ?? this.#start();
      if (thread === null) return;
      const job = this.#waiting.shift()!;
      this.#running.set(thread, job);
      thread.postMessage({ plan: job.plan, keepResult: job.keepResult } satisfies TrialOrder);
    }
  }

  /** Null when there are as many as there may be. */
  #start(): Worker | null {
    if (this.#threads.size >= this.#threadsMax) return null;
    const thread = new Worker(new URL("trial-thread.ts", import.meta.url), { workerData: this.#stop });
    this.#threads.add(thread);
    thread.on("message", (message: TrialMessage) => this.#hear(thread, message));
    thread.on("error", (error) => this.#lose(thread, error as Error));
    return thread;
  }

  #hear(thread: Worker, message: TrialMessage): void {
    const job = this.#running.get(thread);
    if (job === undefined) return;
    if (message.type === "progress") return job.onProgress(message.progress);
    this.#running.delete(thread);
    this.#idle.push(thread);
    if (message.type === "done") job.resolve(message.outcome);
    else job.reject(new Error(message.message));
    this.#assign();
  }

  /** A thread that ran out of memory, say, takes its run along and nothing else. */
  #lose(thread: Worker, error: Error): void {
    const job = this.#running.get(thread);
    this.#running.delete(thread);
    this.#threads.delete(thread);
    job?.reject(error);
    this.#assign();
  }
}

/** A run that was never begun, because all was stopped. */
export class StoppedError extends Error {
  override name = "StoppedError";

  constructor() {
    super("stopped before it began");
  }
}
