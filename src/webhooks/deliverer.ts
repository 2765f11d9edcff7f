import type { DatabaseSync } from "node:sqlite";
import { request } from "undici";
import { MICROS_PER_MILLI, type Micros } from "../core/units.ts";
import type { Alert } from "../ledger/alert-table.ts";
import { claimDue, giveUpOld, release, settle } from "./backlog.ts";
import type { Hook } from "./hooks.ts";
import { messageOf, signedHeaders } from "./message.ts";

const ATTEMPT_MS_MAX = 10_000;
/** What an answer may say before the connection is closed; nobody reads it. */
const ANSWER_BYTES_MAX = 64 * 1024;
const FIRST_RETRY_MS = 5_000;
const RETRY_MS_MAX = 3_600_000;
/** Retries are put off by up to so much of their time more, so that those of many senders spread. */
const JITTER = 0.5;
/** Beyond it the time between attempts does not grow any more. */
const DOUBLINGS_MAX = 20;

/** Told how it goes, for the log. */
export type Tell = (level: "info" | "warn" | "error", fields: object, message: string) => void;

export interface DelivererOptions {
  /** The ledger's file. */
  database: DatabaseSync;
  hooks: readonly Hook[];
  tell: Tell;
  /** How long after the first failure it is tried again, in ms; 5 s if absent. */
  firstRetryMs?: number;
}

/**
 * Posts alerts to webhooks until all of them have taken it. A hook is told one thing at a time, in order; the others don't
 * wait for it. It may be told the same twice, under the same id: after a crash, or when its answer was lost.
 *
 * ```
 *                 ┌──── some hook failed: later, twice as long each time, for a day ────┐
 *                 ▼                                                                     │
 *   waiting ──▶ due ──claimed──▶ posted to each hook that has not taken it ─────────────┤
 *                                                                                       │
 *   given up ◀── a day has passed ──────────────────────────────────────────────────────┤
 *   delivered ◀── all have taken it ────────────────────────────────────────────────────┘
 * ```
 */
export class Deliverer {
  readonly #database: DatabaseSync;
  readonly #hooks: readonly Hook[];
  readonly #tell: Tell;
  readonly #firstRetryMs: number;
  /** Hooks that have an alert which others still have to take. */
  readonly #taken = new Map<number, Set<Hook>>();
  readonly #stopped = new AbortController();

  constructor({ database, hooks, tell, firstRetryMs = FIRST_RETRY_MS }: DelivererOptions) {
    this.#database = database;
    this.#hooks = hooks;
    this.#tell = tell;
    this.#firstRetryMs = firstRetryMs;
  }

  get isStopped(): boolean {
    return this.#stopped.signal.aborted;
  }

  /** Ends what is under way; nothing is posted any more. */
  stop(): void {
    this.#stopped.abort();
  }

  /** Posts what is due, and resolves when that is settled: how much that was. Only one round at a time. */
  async round(): Promise<number> {
    const old = giveUpOld(this.#database, nowUs());
    if (old > 0) this.#tell("error", { alerts: old }, "alerts were given up: webhooks have not taken them");
    const due = claimDue(this.#database, nowUs());
    if (due.length === 0) return 0;
    await Promise.all(this.#hooks.map((hook, i) => this.#postAll(hook, i, due)));
    const isDone = (alert: Alert): boolean => this.#taken.get(alert.id)?.size === this.#hooks.length;
    if (this.isStopped) {
      release(
        this.#database,
        due.filter((alert) => !isDone(alert)),
      );
      for (const alert of due.filter(isDone)) this.#settle(alert, true);
      return 0;
    }
    for (const alert of due) this.#settle(alert, isDone(alert));
    return due.length;
  }

  /** A hook that fails one is left alone with the others, which are no likelier to succeed. */
  async #postAll(hook: Hook, index: number, due: readonly Alert[]): Promise<void> {
    for (const alert of due) {
      if (this.#takenBy(alert).has(hook)) continue;
      const failure = await this.#post(hook, alert);
      if (this.isStopped && failure !== null) return;
      // Its path may hold a secret.
      const fields = { alert: alert.id, webhook: index, at: new URL(hook.url).origin };
      if (failure !== null) {
        const attempt = alert.attempts + 1;
        return this.#tell("warn", { ...fields, attempt, error: failure }, "a webhook did not take an alert");
      }
      this.#takenBy(alert).add(hook);
      this.#tell("info", fields, "alert delivered");
    }
  }

  /** Why the hook did not take it; null when it did. */
  async #post({ url, key }: Hook, alert: Alert): Promise<string | null> {
    const message = messageOf(alert);
    const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(ATTEMPT_MS_MAX)]);
    try {
      const headers = signedHeaders(message, key, Date.now());
      const answer = await request(url, { method: "POST", headers, body: message.body, signal });
      await answer.body.dump({ limit: ANSWER_BYTES_MAX, signal });
      return answer.statusCode >= 200 && answer.statusCode < 300 ? null : `status ${answer.statusCode}`;
    } catch (error) {
      return (error as Error).message;
    }
  }

  #settle(alert: Alert, isTaken: boolean): void {
    const now = nowUs();
    const nextUs = now + this.#delayMs(alert.attempts) * MICROS_PER_MILLI;
    const nextTryUs = settle(this.#database, alert, { isTaken, nowUs: now, nextUs });
    if (nextTryUs !== null) return;
    this.#taken.delete(alert.id);
    if (isTaken) return;
    const fields = { alert: alert.id, attempts: alert.attempts + 1 };
    this.#tell("error", fields, "an alert was given up: not every webhook has taken it within a day");
  }

  #takenBy({ id }: Alert): Set<Hook> {
    let taken = this.#taken.get(id);
    if (taken === undefined) this.#taken.set(id, (taken = new Set()));
    return taken;
  }

  #delayMs(attempts: number): number {
    const delayMs = Math.min(this.#firstRetryMs * 2 ** Math.min(attempts, DOUBLINGS_MAX), RETRY_MS_MAX);
    return Math.round(delayMs * (1 + Math.random() * JITTER));
  }
}

function nowUs(): Micros {
  return Date.now() * MICROS_PER_MILLI;
}
