import { Worker } from "node:worker_threads";
import type { LedgerEntry } from "../core/budget/ledger-entry.ts";
import type { Log } from "../observability/log.ts";
import type { Changes, Versions } from "./changes.ts";
import { toFields } from "./entry-fields.ts";
import type { CommitStore, Urgency } from "./group-commit.ts";
import type { WriterOrder, WriterReport, WriterThreadData } from "./writer-thread.ts";

/** Posts and voids that nobody waits for are written after this time, if not along with others before. */
const RELAXED_MS = 100;
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 5_000;

export interface SqliteStoreOptions {
  path: string;
  log: Log;
  /** Up to where limits and keys are known, for a thread that starts now. */
  known: () => Versions;
  /** Told what other processes have changed in the file. */
  onChanged: (changes: Changes) => void;
}

/**
 * Groups of entries on their way to the ledger's file, by a thread that waits for the disk.
 *
 * ```
 *   no thread ──write──▶ thread ──────── close ──▶ closed
 *       ▲                   │
 *       └──── error ────────┘  the group is tried again, after 0.1 s, then twice as long each time
 * ```
 */
export class SqliteStore implements CommitStore {
  readonly #options: SqliteStoreOptions;
  #thread: Worker | null = null;
  /** Of the order under way. */
  #done: ((error: Error | null) => void) | null = null;
  #failure: Error | null = null;
  #failures = 0;
  #isClosed = false;

  constructor(options: SqliteStoreOptions) {
    this.#options = options;
    this.#thread = this.#start();
  }

  /** Why nothing can be written at the moment; null when all is well. */
  get failure(): Error | null {
    return this.#failure;
  }

  write(group: readonly LedgerEntry[], done: (error: Error | null) => void): void {
    this.#order(toFields(group), done);
  }

  defer(callback: () => void, urgency: Urgency): void {
    if (this.#isClosed) return;
    if (urgency === "retry") {
      const delayMs = Math.min(RETRY_MS_MIN * 2 ** (this.#failures - 1), RETRY_MS_MAX);
      return void setTimeout(callback, delayMs);
    }
    if (urgency === "relaxed") return void setTimeout(callback, RELAXED_MS);
    // The group before is durable, and what has arrived meanwhile goes together; so does what else arrives in this turn of the
    // event loop. The busier the disk, the larger the groups.
    setImmediate(callback);
  }

  /** After the last group: writes a snapshot and closes the file. Rejects when that fails; nothing durable is lost then. */
  close(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#order(null, (error) => {
        this.#thread = null;
        this.#isClosed = true;
        if (error === null) resolve();
        else reject(error);
      });
    });
  }

  /** Writes nothing any more, from the moment this resolves: the file may belong to another supervisor then. */
  async abandon(): Promise<void> {
    this.#isClosed = true;
    await this.#thread?.terminate();
  }

  #order(order: WriterOrder, done: (error: Error | null) => void): void {
    if (this.#isClosed) return;
    this.#done = done;
    this.#thread ??= this.#start();
    this.#thread.postMessage(order);
  }

  #start(): Worker {
    const { path, known } = this.#options;
    const workerData: WriterThreadData = { path, known: known() };
    const thread = new Worker(new URL("writer-thread.ts", import.meta.url), { workerData });
    thread.on("message", (report: WriterReport) => this.#onReport(report));
    thread.on("error", (error) => this.#onError(error as Error));
    return thread;
  }

  #restart(): void {
    if (!this.#isClosed) this.#thread ??= this.#start();
  }

  #onReport(report: WriterReport): void {
    if (report.kind === "changed") return this.#options.onChanged(report.changes);
    if (this.#failure !== null) this.#options.log.info("the ledger is written again");
    this.#failure = null;
    this.#failures = 0;
    this.#finish(null);
  }

  /** The thread has ended. Whoever tries its order again starts another; without one, it is missed for what it watches. */
  #onError(error: Error): void {
    this.#failures++;
    this.#options.log.error(
      { error: error.message, failures: this.#failures },
      "the ledger can't be written",
    );
    this.#thread = null;
    if (this.#done === null) return this.defer(() => this.#restart(), "retry");
    this.#failure = error;
    this.#finish(error);
  }

  #finish(error: Error | null): void {
    const done = this.#done;
    this.#done = null;
    done?.(error);
  }
}
