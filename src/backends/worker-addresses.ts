import type { WorkerDialect } from "../core/vocabulary.ts";

export interface ReportedAddress {
  /** Scheme, host and port. */
  origin: string;
  dialect: WorkerDialect;
}

/** Where each worker listens and how it is spoken to, as its heartbeats say; the core decides by name and never sees an address used. */
export class WorkerAddresses {
  readonly #addresses = new Map<string, ReportedAddress>();

  get(worker: string): ReportedAddress | undefined {
    return this.#addresses.get(worker);
  }

  /** What was known before, so that a report the core refuses can be undone. */
  learn(
    worker: string,
    { url, dialect }: { url: string; dialect: WorkerDialect },
  ): ReportedAddress | undefined {
    const before = this.#addresses.get(worker);
    this.#addresses.set(worker, { origin: new URL(url).origin, dialect });
    return before;
  }

  restore(worker: string, address: ReportedAddress | undefined): void {
    if (address === undefined) this.#addresses.delete(worker);
    else this.#addresses.set(worker, address);
  }

  /** The address it had, whose connections can go. */
  forget(worker: string): ReportedAddress | undefined {
    const address = this.#addresses.get(worker);
    this.#addresses.delete(worker);
    return address;
  }
}
