import type { AppendLedger } from "../core/effects.ts";
import type { SupervisorEvent } from "../core/events.ts";
import type { Micros } from "../core/units.ts";
import type { LedgerPort } from "../supervisor/ports.ts";
import type { FaultPlan } from "./faults.ts";
import type { VirtualTime } from "./virtual-time.ts";

/**
 * The ledger's disk. Entries are made durable in groups: what is appended while one group is
 * being written waits for the next. With a sync time of nothing, it answers at once, inside
 * the loop's own step.
 */
export class VirtualDisk implements LedgerPort {
  readonly #syncUs: Micros;
  readonly #time: VirtualTime;
  readonly #faults: FaultPlan;
  readonly #submit: (event: SupervisorEvent) => void;
  #appended = 0;
  #isSyncing = false;

  constructor(options: {
    syncUs: Micros;
    time: VirtualTime;
    faults: FaultPlan;
    submit: (event: SupervisorEvent) => void;
  }) {
    this.#syncUs = options.syncUs;
    this.#time = options.time;
    this.#faults = options.faults;
    this.#submit = options.submit;
  }

  append({ entry }: AppendLedger): void {
    this.#appended = entry.sequence;
    if (this.#syncUs === 0) this.#submit({ kind: "ledger_durable", through: entry.sequence });
    else if (!this.#isSyncing) this.#sync();
  }

  #sync(): void {
    this.#isSyncing = true;
    const through = this.#appended;
    const isSlow = this.#faults.strikes("slow_disk", 0.02);
    this.#time.after(isSlow ? this.#syncUs * 200 : this.#syncUs, () => {
      this.#isSyncing = false;
      // Starts the next group first: the answer may append to it, and need not wait for itself.
      if (this.#appended > through) this.#sync();
      this.#submit({ kind: "ledger_durable", through });
    });
  }
}
