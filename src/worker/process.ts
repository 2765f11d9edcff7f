import type { RunningWorker } from "./run.ts";
import { runWorker } from "./run.ts";
import type { WorkerOptions } from "./options.ts";

/** Whoever started the process is gone: nobody waits for the answers any more. */
const ORPHAN_DRAIN_MS = 1_000;

/**
 * A worker that is this whole process: `headgate worker`. It resolves once the worker serves.
 *
 * - SIGTERM and SIGINT drain it, and the process ends with code 0; a second one ends it at once.
 * - A process that forked this one is told how loading goes and when it is done, and when its
 *   channel closes, because it died, the worker ends as well.
 */
export async function runWorkerProcess(options: WorkerOptions): Promise<RunningWorker> {
  const isChild = process.send !== undefined;
  if (isChild) process.once("disconnect", abandon);

  const worker = await runWorker({ ...options, onProgress: options.onProgress ?? tellProgress });

  const end = endOnce(worker, options);
  process.on("SIGTERM", () => end.bySignal());
  process.on("SIGINT", () => end.bySignal());
  if (isChild) {
    process.off("disconnect", abandon);
    if (process.connected) process.once("disconnect", () => end.byDeadline(ORPHAN_DRAIN_MS));
    else end.byDeadline(ORPHAN_DRAIN_MS);
  }
  tellParent({ type: "ready", url: worker.url, worker: worker.workerId });
  return worker;
}

/** Until there is something to drain, the parent's death just ends the process. */
function abandon(): never {
  process.exit(1);
}

function endOnce(
  worker: RunningWorker,
  { log }: WorkerOptions,
): { bySignal: () => void; byDeadline: (deadlineMs: number) => void } {
  let ending = false;
  const drain = (options: { deadlineMs?: number }): void => {
    ending = true;
    worker.drain(options).then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, "draining failed");
        process.exit(1);
      },
    );
  };
  return {
    bySignal: () => (ending ? process.exit(1) : drain({})),
    byDeadline: (deadlineMs) => {
      if (!ending) drain({ deadlineMs });
    },
  };
}

function tellProgress(model: string, fraction: number): void {
  tellParent({ type: "progress", model, fraction });
}

type ParentMessage =
  | { type: "ready"; url: string; worker: string }
  | { type: "progress"; model: string; fraction: number };

function tellParent(message: ParentMessage): void {
  if (!process.connected) return;
  // A parent that dies between the check and the sending is noticed by "disconnect".
  process.send?.(message, undefined, undefined, () => {});
}
