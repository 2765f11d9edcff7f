/** Where each worker listens, as its heartbeats say; the core decides by name and never sees an address used. */
export class WorkerAddresses {
  readonly #origins = new Map<string, string>();

  get(worker: string): string | undefined {
    return this.#origins.get(worker);
  }

  /** What was known before, so that a report the core refuses can be undone. */
  learn(worker: string, url: string): string | undefined {
    const before = this.#origins.get(worker);
    this.#origins.set(worker, new URL(url).origin);
    return before;
  }

  restore(worker: string, origin: string | undefined): void {
    if (origin === undefined) this.#origins.delete(worker);
    else this.#origins.set(worker, origin);
  }

  /** The address it had, whose connections can go. */
  forget(worker: string): string | undefined {
    const origin = this.#origins.get(worker);
    this.#origins.delete(worker);
    return origin;
  }
}
