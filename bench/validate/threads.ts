import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";

const THREADS_MAX = 16;

/** What a thread answers. */
export type ThreadAnswer<Result> = { result: Result } | { problem: string };

interface Errand<Job, Result> {
  job: Job;
  resolve: (result: Result) => void;
  reject: (error: Error) => void;
}

/**
 * Runs jobs in as many threads as there are cores, first come first served. `module` answers each message, which is a job,
 * with a `ThreadAnswer`. HEADGATE_THREADS sets another number, for a machine that has other things to do.
 */
export class Threads<Job, Result> implements AsyncDisposable {
  readonly #idle: Worker[] = [];
  readonly #threads: readonly Worker[];
  readonly #waiting: Errand<Job, Result>[] = [];
  readonly #running = new Map<Worker, Errand<Job, Result>>();

  constructor(module: URL) {
    const count = Number(process.env["HEADGATE_THREADS"] ?? availableParallelism());
    this.#threads = Array.from({ length: Math.min(THREADS_MAX, Math.max(1, count)) }, () => {
      const thread = new Worker(module);
      thread.on("message", (answer: ThreadAnswer<Result>) => this.#hear(thread, answer));
      thread.on("error", (error: Error) => this.#hear(thread, { problem: error.message }));
      this.#idle.push(thread);
      return thread;
    });
  }

  /** Rejects with what the thread could not do. */
  run(job: Job): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ job, resolve, reject });
      this.#assign();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
  }

  #assign(): void {
    while (this.#idle.length > 0 && this.#waiting.length > 0) {
      const thread = this.#idle.pop()!;
      const errand = this.#waiting.shift()!;
      this.#running.set(thread, errand);
      thread.postMessage(errand.job);
    }
  }

  #hear(thread: Worker, answer: ThreadAnswer<Result>): void {
    const errand = this.#running.get(thread);
    if (errand === undefined) return;
    this.#running.delete(thread);
    this.#idle.push(thread);
    if ("result" in answer) errand.resolve(answer.result);
    else errand.reject(new Error(answer.problem));
    this.#assign();
  }
}
