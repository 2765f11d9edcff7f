import type { Worker } from "../../fleet/worker.ts";
import type { Micros } from "../../units.ts";

/**
 * What others than this supervisor have running on workers. A worker's word for it is taken until it is
 * `trustUs` old; then it fades, by half every further `trustUs`, into what workers have on average.
 * What this supervisor has dispatched itself is never in doubt.
 */
export class ForeignLoad {
  readonly #trustUs: Micros;
  readonly #reported = new Map<Worker, { sessions: number; kvBytes: number }>();
  #sessions = 0;
  #kvBytes = 0;

  constructor(trustUs: Micros) {
    this.#trustUs = trustUs;
  }

  reported(worker: Worker): void {
    this.forgot(worker);
    const { foreignSessions: sessions, foreignKvBytes: kvBytes } = worker;
    this.#reported.set(worker, { sessions, kvBytes });
    this.#sessions += sessions;
    this.#kvBytes += kvBytes;
  }

  forgot(worker: Worker): void {
    const before = this.#reported.get(worker);
    if (before === undefined) return;
    this.#reported.delete(worker);
    this.#sessions -= before.sessions;
    this.#kvBytes -= before.kvBytes;
  }

  sessions(worker: Worker, nowUs: Micros): number {
    const trust = this.#trust(worker, nowUs);
    if (trust === 1) return worker.foreignSessions;
    return trust * worker.foreignSessions + (1 - trust) * this.#mean(this.#sessions);
  }

  kvBytes(worker: Worker, nowUs: Micros): number {
    const trust = this.#trust(worker, nowUs);
    if (trust === 1) return worker.foreignKvBytes;
    return trust * worker.foreignKvBytes + (1 - trust) * this.#mean(this.#kvBytes);
  }

  /** From 1 for a fresh report to 0 for one of long ago. A remote endpoint has none, and nothing to doubt. */
  #trust({ heardUs }: Worker, nowUs: Micros): number {
    const ageUs = heardUs === null ? 0 : nowUs - heardUs;
    return ageUs <= this.#trustUs ? 1 : 2 ** (1 - ageUs / this.#trustUs);
  }

  #mean(sum: number): number {
    return this.#reported.size === 0 ? 0 : sum / this.#reported.size;
  }
}
