import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Config } from "./config/schema.ts";
import {
  createWorkerProcesses,
  type WorkerProcessEvents,
  type WorkerProcesses,
} from "./supervisor/worker-processes.ts";

const CLI = fileURLToPath(new URL("cli/main.ts", import.meta.url));

export interface EmbeddedWorkersOptions {
  config: Config;
  /** Where the configuration was read from: they read it, too. */
  configPath: string;
  stateFolder: string;
}

export interface EmbeddedWorkers extends Pick<WorkerProcesses, "restart" | "stop"> {
  /** They report to this address. */
  start(supervisorUrl: string): void;
}

/** The workers of the configuration. `onExited` is called before others are told, with why it ended. */
export function createEmbeddedWorkers(
  { config, configPath, stateFolder }: EmbeddedWorkersOptions,
  onExited: (worker: string, reason: string) => void,
  events: Partial<WorkerProcessEvents> = {},
): EmbeddedWorkers {
  const workers = createWorkerProcesses(CLI, {
    started: (id, pid) => events.started?.(id, pid),
    progress: (id, progress) => events.progress?.(id, progress),
    ready: (id, url) => events.ready?.(id, url),
    exited: (id, reason, restartMs) => {
      onExited(id, reason);
      events.exited?.(id, reason, restartMs);
    },
  });
  const receipts = join(stateFolder, "receipts");
  return {
    restart: workers.restart,
    stop: workers.stop,
    start(supervisorUrl) {
      workers.start(
        config.workers.map(({ id }) => ({
          id,
          arguments: Object.entries({
            "--config": configPath,
            "--id": id,
            "--supervisor": supervisorUrl,
            "--receipts": join(receipts, `${encodeURIComponent(id)}.jsonl`),
          }).flat(),
        })),
      );
    },
  };
}
