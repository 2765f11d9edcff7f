import type { ChildProcess } from "node:child_process";

const RESTART_MS_MIN = 500;
const RESTART_MS_MAX = 30_000;
/** A process that has served for this long is started again after the shortest delay when it dies. */
const STABLE_MS = 10_000;

export interface ProcessKeeperOptions {
  /** Starts the process of that place; `onReady` is to be called once it serves. */
  start: (place: string, onReady: () => void) => ChildProcess;
  /** The process has ended; another one is started after `restartMs` unless that is null. */
  exited: (place: string, reason: string, restartMs: number | null) => void;
}

/**
 * Keeps a process running in each of several places.
 *
 * ```
 *   start ──▶ running ──exit──▶ waiting (0.5 s, then twice as long each time) ──▶ running
 *                │                 │
 *                └──── stop ───────┴──▶ stopped
 * ```
 * The wait is short again behind one that has served for a while, or has ended in good order because somebody asked it to.
 */
export class ProcessKeeper {
  readonly #options: ProcessKeeperOptions;
  readonly #running = new Map<string, ChildProcess>();
  readonly #waiting = new Map<string, NodeJS.Timeout>();
  #isStopping = false;

  constructor(options: ProcessKeeperOptions) {
    this.#options = options;
  }

  start(place: string): void {
    this.#start(place, RESTART_MS_MIN);
  }

  /** Ends a process that does not answer any more, by force; another one is started. */
  kill(place: string): void {
    this.#running.get(place)?.kill("SIGKILL");
  }

  /** Ends every process by force, without waiting for it, and starts none any more. */
  killAll(): void {
    this.#stopStarting();
    for (const child of this.#running.values()) child.kill("SIGKILL");
  }

  /** Asks every process to end, and ends those by force that are still there after the grace, in ms. */
  async stop(graceMs: number, ask: (child: ChildProcess, place: string) => void): Promise<void> {
    this.#stopStarting();
    const running = [...this.#running];
    const exits = running.map(([, child]) => new Promise((resolve) => child.once("exit", resolve)));
    for (const [place, child] of running) ask(child, place);
    const force = setTimeout(() => this.killAll(), graceMs);
    await Promise.all(exits);
    clearTimeout(force);
  }

  #stopStarting(): void {
    this.#isStopping = true;
    for (const timer of this.#waiting.values()) clearTimeout(timer);
  }

  #start(place: string, delayMs: number): void {
    let readyMs = Infinity;
    const child = this.#options.start(place, () => {
      readyMs = performance.now();
    });
    this.#running.set(place, child);
    child.on("error", () => child.kill("SIGKILL"));
    child.once("exit", (code, signal) => {
      this.#running.delete(place);
      const reason = signal === null ? `exit code ${code}` : `signal ${signal}`;
      if (this.#isStopping) return this.#options.exited(place, reason, null);
      const wasWell = code === 0 || performance.now() - readyMs > STABLE_MS;
      const restartMs = wasWell ? RESTART_MS_MIN : delayMs;
      const nextDelayMs = Math.min(restartMs * 2, RESTART_MS_MAX);
      const timer = setTimeout(() => this.#start(place, nextDelayMs), restartMs);
      this.#waiting.set(place, timer);
      this.#options.exited(place, reason, restartMs);
    });
  }
}
