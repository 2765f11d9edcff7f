import type { WorkerProcessEvents, WorkerProgress } from "../supervisor/worker-processes.ts";

/**
 * Tells a person how the workers are getting on: one line that is rewritten on a terminal, one
 * line for each worker that is ready elsewhere.
 */
export class LoadingProgress implements Omit<WorkerProcessEvents, "started"> {
  readonly #waiting: Set<string>;
  readonly #loading = new Map<string, WorkerProgress>();
  readonly #allReady = Promise.withResolvers<void>();

  constructor(workers: readonly string[]) {
    this.#waiting = new Set(workers);
    this.#resolveWhenReady();
  }

  /** Resolves once every worker has been ready. */
  get allReady(): Promise<void> {
    return this.#allReady.promise;
  }

  progress(id: string, progress: WorkerProgress): void {
    this.#loading.set(id, progress);
    if (process.stderr.isTTY) this.#rewriteLine();
  }

  ready(id: string, url: string): void {
    this.#loading.delete(id);
    this.#say(`${id} is ready on ${url}`);
    this.#waiting.delete(id);
    this.#resolveWhenReady();
  }

  exited(id: string, reason: string, restartMs: number | null): void {
    this.#loading.delete(id);
    if (restartMs === null) return;
    this.#say(`${id} ended (${reason}); starting it again in ${restartMs / 1_000} s`);
  }

  #rewriteLine(): void {
    const parts = Array.from(this.#loading, ([id, { model, fraction }]) => {
      return `${id}: loading ${model} ${Math.round(fraction * 100)} %`;
    });
    process.stderr.write(`\r\u001b[K${parts.join("   ")}`);
  }

  #say(words: string): void {
    const eraseLine = process.stderr.isTTY ? "\r\u001b[K" : "";
    process.stderr.write(`${eraseLine}${words}\n`);
  }

  #resolveWhenReady(): void {
    if (this.#waiting.size === 0) this.#allReady.resolve();
  }
}
