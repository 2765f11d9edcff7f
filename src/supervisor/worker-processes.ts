import { fork } from "node:child_process";
import { ProcessKeeper } from "./process-keeper.ts";

/** How one embedded worker is started: the arguments of `headgate worker`. */
export interface WorkerProcess {
  id: string;
  arguments: string[];
}

/** What becomes of the processes, for logs, progress and the supervisor. */
export interface WorkerProcessEvents {
  started(id: string, pid: number): void;
  progress(id: string, message: WorkerProgress): void;
  ready(id: string, url: string): void;
  /** The process has ended; it is started again after `restartMs` unless that is null. */
  exited(id: string, reason: string, restartMs: number | null): void;
}

/** Sent by a worker over its IPC channel while it loads. */
export interface WorkerProgress {
  type: "progress";
  model: string;
  fraction: number;
}

type WorkerMessage = WorkerProgress | { type: "ready"; url: string };

export interface WorkerProcesses {
  start(processes: readonly WorkerProcess[]): void;
  /** Ends a process that does not answer any more, by force; it is started again. Others are left alone. */
  restart(id: string): void;
  /** Asks every process to drain and end, and ends those by force that are still there after the grace. */
  stop(graceMs: number): Promise<void>;
}

/**
 * The embedded workers of one supervisor, each a process of its own, so that a crash of an
 * engine takes nothing else down. One that has ended is started again.
 */
export function createWorkerProcesses(program: string, events: WorkerProcessEvents): WorkerProcesses {
  const argumentsOf = new Map<string, string[]>();
  const keeper = new ProcessKeeper({
    start(id, onReady) {
      // In a process group of its own, so that Ctrl-C reaches the supervisor alone, which drains.
      const child = fork(program, ["worker", ...argumentsOf.get(id)!], { detached: true });
      if (child.pid !== undefined) events.started(id, child.pid);
      child.on("message", (message: WorkerMessage) => {
        if (message.type === "progress") return events.progress(id, message);
        onReady();
        events.ready(id, message.url);
      });
      return child;
    },
    exited: events.exited,
  });
  return {
    start(processes) {
      for (const worker of processes) {
        argumentsOf.set(worker.id, worker.arguments);
        keeper.start(worker.id);
      }
    },
    restart: (id) => keeper.kill(id),
    stop: (graceMs) => keeper.stop(graceMs, (child) => child.kill("SIGTERM")),
  };
}
