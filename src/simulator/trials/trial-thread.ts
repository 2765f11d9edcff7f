import { parentPort, workerData } from "node:worker_threads";
import { runTrial } from "./trial.ts";
import type { StopFlag, TrialMessage, TrialOrder } from "./trial-pool.ts";

/** A thread of a `TrialPool`: runs what it is sent, and says how far it is. */

const PROGRESS_EVERY_MS = 100;

const stop = workerData as StopFlag;
const port = parentPort!;
const tell = (message: TrialMessage): void => port.postMessage(message);

port.on("message", (order: TrialOrder) => void work(order));

async function work({ plan, keepResult }: TrialOrder): Promise<void> {
  let toldMs = 0;
  try {
    const outcome = await runTrial(plan, {
      keepResult,
      shouldStop: () => Atomics.load(stop, 0) === 1,
      onProgress: (progress) => {
        const nowMs = performance.now();
        if (nowMs - toldMs < PROGRESS_EVERY_MS) return;
        toldMs = nowMs;
        tell({ type: "progress", progress });
      },
    });
    tell({ type: "done", outcome });
  } catch (error) {
    tell({ type: "failed", message: (error as Error).message });
  }
}
