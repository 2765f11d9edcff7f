import type { CoreConfig } from "../config.ts";
import type { Request } from "../request.ts";

/** Of all that may wait for their budgets, this share may be one payer's. */
const PAYER_SHARE = 0.1;

/**
 * How much waits for budgets: as many packets, and as many bytes of bodies, as may wait for workers,
 * and counted apart from those.
 */
export class WaitingLine {
  readonly #limits: CoreConfig["limits"];
  readonly #byPayer = new Map<string, number>();
  #packets = 0;
  #bytes = 0;

  constructor(limits: CoreConfig["limits"]) {
    this.#limits = limits;
  }

  get packets(): number {
    return this.#packets;
  }

  hasRoom({ account, arrival }: Request): boolean {
    const { queuePacketsMax, queueBytesMax } = this.#limits;
    const own = this.#byPayer.get(account) ?? 0;
    return (
      this.#packets < queuePacketsMax &&
      own < Math.ceil(queuePacketsMax * PAYER_SHARE) &&
      this.#bytes + arrival.bodyBytes <= queueBytesMax
    );
  }

  enter({ account, arrival }: Request): void {
    this.#packets++;
    this.#bytes += arrival.bodyBytes;
    this.#byPayer.set(account, (this.#byPayer.get(account) ?? 0) + 1);
  }

  leave({ account, arrival }: Request): void {
    this.#packets--;
    this.#bytes -= arrival.bodyBytes;
    const left = this.#byPayer.get(account)! - 1;
    if (left === 0) this.#byPayer.delete(account);
    else this.#byPayer.set(account, left);
  }
}
