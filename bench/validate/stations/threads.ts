import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { Outcome } from "./outcome.ts";
import type { StationRun } from "./run.ts";

const THREADS_MAX = 16;

/** Runs stations in as many threads as there are cores. What a run finds does not depend on where it ran. */
export class StationThreads {
  readonly #threads: Worker[] = [];
  readonly #idle: Worker[] = [];
  readonly #waiting: ((thread: Worker) => void)[] = [];

  constructor() {
    for (let i = Math.min(THREADS_MAX, availableParallelism()); i > 0; i--) {
      const thread = new Worker(new URL("thread.ts", import.meta.url));
      this.#threads.push(thread);
      this.#idle.push(thread);
    }
  }

  async run(run: StationRun): Promise<Outcome> {
    const thread = this.#idle.pop() ?? (await new Promise<Worker>((resolve) => this.#waiting.push(resolve)));
    try {
      return await new Promise<Outcome>((resolve, reject) => {
        thread.once("message", resolve);
        thread.once("error", reject);
        thread.postMessage(run);
      });
    } finally {
      thread.removeAllListeners("message").removeAllListeners("error");
      const next = this.#waiting.shift();
      if (next === undefined) this.#idle.push(thread);
      else next(thread);
    }
  }

  async end(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
  }
}
