import { cpus } from "node:os";

interface CoreTimes {
  busyMs: number;
  allMs: number;
}

/** How busy the machine's cores are from when it is made, with whatever. */
export class CoreClock {
  readonly #start = coreTimes();

  /** From 0 to 1; 0 where the system does not tell. */
  busyShare(): number {
    const { busyMs, allMs } = coreTimes();
    const spentMs = allMs - this.#start.allMs;
    return spentMs > 0 ? (busyMs - this.#start.busyMs) / spentMs : 0;
  }
}

function coreTimes(): CoreTimes {
  let busyMs = 0;
  let allMs = 0;
  for (const { times } of cpus()) {
    const coreMs = times.user + times.nice + times.sys + times.irq;
    busyMs += coreMs;
    allMs += coreMs + times.idle;
  }
  return { busyMs, allMs };
}
