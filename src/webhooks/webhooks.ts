import { Worker } from "node:worker_threads";
import type { Log } from "../observability/log.ts";
import type { Hook } from "./hooks.ts";
import type { WebhookReport, WebhookThreadData } from "./thread.ts";

/** From the end of a thread that failed to the start of the next. */
const RESTART_MS = 5_000;
/** How long the thread may take to stop. */
const CLOSE_MS_MAX = 2_000;

export interface WebhooksOptions {
  /** Of the ledger's file. */
  path: string;
  hooks: Hook[];
  log: Log;
}

/**
 * Delivers alerts from a thread of its own: its writes wait for the disk, and receivers may be slow. What goes wrong there
 * ends the thread, and another one goes on with what the file says.
 */
export class Webhooks {
  readonly #options: WebhooksOptions;
  #thread: Worker | null = null;
  #restart: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: WebhooksOptions) {
    this.#options = options;
    if (options.hooks.length > 0) this.#start();
  }

  /** Posts nothing any more; what is under way is posted anew in the next life. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#restart);
    const thread = this.#thread;
    if (thread === null) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    thread.once("exit", () => resolve());
    thread.postMessage("stop");
    const timer = setTimeout(() => void thread.terminate(), CLOSE_MS_MAX);
    await promise;
    clearTimeout(timer);
  }

  #start(): void {
    const { path, hooks, log } = this.#options;
    const workerData: WebhookThreadData = { path, hooks };
    const thread = (this.#thread = new Worker(new URL("thread.ts", import.meta.url), { workerData }));
    thread.on("message", ({ level, fields, message }: WebhookReport) => log[level](fields, message));
    thread.on("error", (error) => {
      log.error({ error: (error as Error).message }, "webhooks failed; alerts go out later");
    });
    thread.on("exit", () => {
      this.#thread = null;
      if (!this.#isClosed) this.#restart = setTimeout(() => this.#start(), RESTART_MS);
    });
  }
}
