import { availableParallelism, loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { CoreClock } from "./core-clock.ts";

/** What counts as quiet, and how long to wait for it. */
export interface Patience {
  /** Share of the cores that others may keep busy. */
  busyMax: number;
  waitMsMax: number;
  /** A look takes this long. */
  lookMs: number;
}

/** What was seen at the last look. */
export interface Calm {
  isQuiet: boolean;
  /** Share of the cores that were busy, while nothing was done here. */
  busy: number;
  /** How long it was waited for, the look included. */
  waitedSeconds: number;
}

/** Looks how busy others keep the machine until they leave it alone, and not for ever: one look at least, and none begins after `waitMsMax`. */
export async function quietMoment({ busyMax, waitMsMax, lookMs }: Patience): Promise<Calm> {
  const startMs = performance.now();
  for (;;) {
    const clock = new CoreClock();
    await sleep(lookMs);
    const busy = clock.busyShare();
    const waitedMs = performance.now() - startMs;
    const isQuiet = busy <= busyMax;
    if (isQuiet || waitedMs >= waitMsMax) return { isQuiet, busy, waitedSeconds: waitedMs / 1_000 };
  }
}

/** `machine busy (load 3.2): others kept 71 % of its 4 cores busy, after a wait of 120 s`. */
export function busyText({ busy, waitedSeconds }: Calm): string {
  const load = (loadavg()[0] ?? 0).toFixed(1);
  const percent = (busy * 100).toFixed(0);
  return `machine busy (load ${load}): others kept ${percent} % of its ${availableParallelism()} cores busy, after a wait of ${waitedSeconds.toFixed(0)} s`;
}
