import { Worker } from "node:worker_threads";
import { noCapacity } from "../core/admission/admission.ts";
import type { Log } from "../observability/log.ts";
import type { AdminAnswer, AdminAsk } from "./ask.ts";
import type { AdminOrder, AdminReport, AdminThreadData } from "./thread.ts";

/** Asked and not answered yet; what comes beyond is refused. */
const WAITING_MAX = 16;
/** A question that takes longer is given up, and the thread with it. */
const ANSWER_MS_MAX = 30_000;

const CLOSE_MS_MAX = 2_000;

export interface AdminDeskOptions {
  /** Of the ledger's file. */
  path: string;
  log: Log;
}

interface Waiting {
  resolve: (answer: AdminAnswer) => void;
  timer: NodeJS.Timeout;
}

/**
 * Answers administrators from a thread of its own with a connection of its own, started when it is first asked: adding up
 * a year must not hold up a token.
 *
 * ```
 *   no thread ──ask──▶ thread ──answer──▶ thread
 *       ▲                 │
 *       └─ error, late ───┘  what waits is refused; the next question starts another
 * ```
 */
export class AdminDesk {
  readonly #options: AdminDeskOptions;
  readonly #waiting = new Map<number, Waiting>();
  #thread: Worker | null = null;
  #asked = 0;
  #isClosed = false;

  constructor(options: AdminDeskOptions) {
    this.#options = options;
  }

  ask(ask: AdminAsk): Promise<AdminAnswer> {
    if (this.#isClosed || this.#waiting.size >= WAITING_MAX) return Promise.resolve(UNAVAILABLE);
    const thread = (this.#thread ??= this.#start());
    const id = (this.#asked += 1);
    const { promise, resolve } = Promise.withResolvers<AdminAnswer>();
    const timer = setTimeout(
      () => this.#giveUp(thread, `no answer within ${ANSWER_MS_MAX} ms`),
      ANSWER_MS_MAX,
    );
    this.#waiting.set(id, { resolve, timer });
    thread.postMessage({ id, ask } satisfies AdminOrder);
    return promise;
  }

  /** Answers nothing any more. A question under way can't be cut short; it is not waited for long. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const thread = this.#thread;
    this.#refuseAll();
    if (thread === null) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, CLOSE_MS_MAX);
    void thread.terminate().then(() => resolve());
    await promise;
    clearTimeout(timer);
  }

  #start(): Worker {
    const workerData: AdminThreadData = { path: this.#options.path };
    const thread = new Worker(new URL("thread.ts", import.meta.url), { workerData });
    // What is asked keeps the process by its own connection and timer.
    thread.unref();
    thread.on("message", (report: AdminReport) => this.#take(report));
    thread.on("error", (error) => this.#giveUp(thread, (error as Error).message));
    return thread;
  }

  #take(report: AdminReport): void {
    const waiting = this.#waiting.get(report.id);
    if (waiting === undefined) return;
    this.#waiting.delete(report.id);
    clearTimeout(waiting.timer);
    if ("answer" in report) return waiting.resolve(report.answer);
    this.#options.log.error({ error: report.failure }, "an administrator's question failed");
    waiting.resolve(UNAVAILABLE);
  }

  #giveUp(thread: Worker, why: string): void {
    if (this.#thread !== thread) return;
    this.#options.log.error({ error: why }, "the thread for administrators was given up");
    this.#refuseAll();
    void thread.terminate();
  }

  #refuseAll(): void {
    this.#thread = null;
    for (const { resolve, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      resolve(UNAVAILABLE);
    }
    this.#waiting.clear();
  }
}

const UNAVAILABLE: AdminAnswer = { error: noCapacity("ledger_unavailable") };
