import type { AdminDesk } from "./administration/desk.ts";
import type { RunningGateway } from "./gateway/serve.ts";
import type { Shell } from "./gateway/shell.ts";
import type { Replicas } from "./launcher/replicas.ts";
import type { Ledger } from "./ledger/ledger.ts";
import type { Recorder } from "./recording/recorder.ts";
import type { SystemTimer } from "./supervisor/system-timer.ts";
import type { WorkerProcesses } from "./supervisor/worker-processes.ts";
import type { Webhooks } from "./webhooks/webhooks.ts";

/** What a process of ours has open: all of it while it runs, the first of it when its start has failed. */
export interface Parts {
  ledger?: Pick<Ledger, "close">;
  administration?: Pick<AdminDesk, "close">;
  webhooks?: Pick<Webhooks, "close">;
  recorder?: Pick<Recorder, "close">;
  timer?: Pick<SystemTimer, "close">;
  shell?: Pick<Shell, "close">;
  workers?: Pick<WorkerProcesses, "stop">;
  gateway?: Pick<RunningGateway, "close">;
  replicas?: Pick<Replicas, "stop">;
}

/**
 * Closes whatever is open, in order, each part whatever becomes of the others: what was charged is
 * written even where an answer could not be. The grace is what answers and workers have to end in.
 * Rejects with the failure, or with an `AggregateError` of several.
 */
export async function closeParts(parts: Parts, graceMs: number): Promise<void> {
  const { gateway, replicas, workers, administration, webhooks, shell, ledger, timer, recorder } = parts;
  const failures: unknown[] = [];
  const attempt = async (close: () => unknown): Promise<void> => {
    try {
      await close();
    } catch (error) {
      failures.push(error);
    }
  };
  const closeGateway = (): unknown => gateway?.close({ graceMs });
  await Promise.all(
    [closeGateway, () => replicas?.stop(graceMs), () => workers?.stop(graceMs)].map((close) =>
      attempt(close),
    ),
  );
  await Promise.all([attempt(() => administration?.close()), attempt(() => webhooks?.close())]);
  await attempt(() => shell?.close());
  // The loop still hears what has become durable, so what it asks for and records ends after that.
  await attempt(() => ledger?.close());
  await attempt(() => timer?.close());
  await attempt(() => recorder?.close());
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) {
    const messages = failures.map((failure) => (failure as Error).message);
    throw new AggregateError(failures, messages.join("\n"));
  }
}
