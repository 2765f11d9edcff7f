import { availableParallelism, loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

/** Runnable threads for each core, over the last minute, at which there is room for what is measured. */
const LOAD_MAX = 0.5;
const WAIT_MS_MAX = 120_000;
const LOOK_MS = 5_000;

/** Waits until others leave the machine alone, and not for ever; returns the load there is then. */
export async function quietMoment(): Promise<number> {
  const untilMs = performance.now() + WAIT_MS_MAX;
  const loadMax = LOAD_MAX * availableParallelism();
  while (load() > loadMax && performance.now() < untilMs) await sleep(LOOK_MS);
  return load();
}

function load(): number {
  return loadavg()[0] ?? 0;
}
