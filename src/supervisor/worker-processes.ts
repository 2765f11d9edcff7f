import { type ChildProcess, fork } from "node:child_process";

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

const RESTART_MS_MIN = 500;
const RESTART_MS_MAX = 30_000;
/** A worker that has served for this long is started again after the shortest delay when it dies. */
const STABLE_MS = 10_000;

export interface WorkerProcesses {
  start(processes: readonly WorkerProcess[]): void;
  /** Ends a process that does not answer any more, by force; it is started again. Others are left alone. */
  restart(id: string): void;
  /** Asks every process to drain and end, and ends those by force that are still there after the grace. */
  stop(graceMs: number): Promise<void>;
}

/**
 * The embedded workers of one supervisor, each a process of its own, so that a crash of an
 * engine takes nothing else down.
 *
 * ```
 *   start ──▶ running ──exit──▶ waiting (0.5 s, then twice as long each time) ──▶ running
 *                │                 │
 *                └──── stop ───────┴──▶ stopped
 * ```
 * The wait is short again behind one that has served for a while, or has ended in good order because somebody asked it to.
 */
export function createWorkerProcesses(program: string, events: WorkerProcessEvents): WorkerProcesses {
  const running = new Map<string, ChildProcess>();
  const waiting = new Map<string, NodeJS.Timeout>();
  let isStopping = false;

  const start = (worker: WorkerProcess, delayMs: number): void => {
    let readyMs = Infinity;
    // In a process group of its own, so that Ctrl-C reaches the supervisor alone, which drains.
    const child = fork(program, ["worker", ...worker.arguments], { detached: true });
    running.set(worker.id, child);
    if (child.pid !== undefined) events.started(worker.id, child.pid);
    child.on("message", (message: WorkerMessage) => {
      if (message.type === "progress") return events.progress(worker.id, message);
      readyMs = performance.now();
      events.ready(worker.id, message.url);
    });
    child.on("error", () => child.kill("SIGKILL"));
    child.once("exit", (code, signal) => {
      running.delete(worker.id);
      const reason = signal === null ? `exit code ${code}` : `signal ${signal}`;
      if (isStopping) return events.exited(worker.id, reason, null);
      const wasWell = code === 0 || performance.now() - readyMs > STABLE_MS;
      const restartMs = wasWell ? RESTART_MS_MIN : delayMs;
      events.exited(worker.id, reason, restartMs);
      const nextDelayMs = Math.min(restartMs * 2, RESTART_MS_MAX);
      waiting.set(
        worker.id,
        setTimeout(() => start(worker, nextDelayMs), restartMs),
      );
    });
  };

  return {
    start(processes) {
      for (const worker of processes) start(worker, RESTART_MS_MIN);
    },
    restart(id) {
      running.get(id)?.kill("SIGKILL");
    },
    async stop(graceMs) {
      isStopping = true;
      for (const timer of waiting.values()) clearTimeout(timer);
      const children = [...running.values()];
      const exits = children.map((child) => new Promise((resolve) => child.once("exit", resolve)));
      for (const child of children) child.kill("SIGTERM");
      const force = setTimeout(() => {
        for (const child of children) child.kill("SIGKILL");
      }, graceMs);
      await Promise.all(exits);
      clearTimeout(force);
    },
  };
}
