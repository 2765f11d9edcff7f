import type { Logger } from "pino";
import { Pool } from "undici";
import { CacheReports } from "./cache/cache-reports.ts";
import { messageOf } from "./http/respond.ts";
import type { Worker } from "./worker.ts";
import { reportLimits, reportModels, reportProgress } from "./worker.ts";

const ANSWER_TIMEOUT_MS = 5_000;
const GOODBYE_TIMEOUT_MS = 2_000;
/** Below what servers keep idle connections for, so that no report goes into a closing one. */
const KEEP_ALIVE_MS = 4_000;
/** After a failure, then twice as long each time, up to the usual interval. */
const RETRY_MS_MIN = 250;

/**
 * Reports to one supervisor: at a steady pace, and soon after a change that matters.
 *
 * ```
 *   waiting ──time or change──▶ reporting ──▶ waiting
 *                                   └─ a change meanwhile ──▶ reporting again
 * ```
 * There is at most one report on its way, so a supervisor that hangs holds up nothing else.
 * One that is down is tried again sooner at first, to find it soon after it starts.
 */
export class Heartbeat {
  readonly #worker: Worker;
  readonly #workerUrl: string;
  readonly #supervisorUrl: string;
  readonly #pool: Pool;
  readonly #log: Logger;
  readonly #cache: CacheReports;
  /** The supervisor's name for itself, by which it signs what it sends. */
  #supervisorId: string | null = null;
  #heardOf = false;
  #failures = 0;
  #timer: NodeJS.Timeout | null = null;
  #dueMs = Infinity;
  #reporting: Promise<void> | null = null;
  /** How soon the next report was asked for while one was on its way. */
  #askedMs = Infinity;
  #stopped = false;

  constructor(options: { worker: Worker; workerUrl: string; supervisorUrl: string }) {
    const url = new URL(options.supervisorUrl);
    this.#worker = options.worker;
    this.#workerUrl = options.workerUrl;
    this.#cache = new CacheReports(() => this.#worker.residentBlocks.now());
    this.#supervisorUrl = options.supervisorUrl.replace(/\/+$/, "");
    this.#log = options.worker.log.child({ supervisor: options.supervisorUrl });
    this.#pool = new Pool(url.origin, {
      connections: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: ANSWER_TIMEOUT_MS,
      bodyTimeout: ANSWER_TIMEOUT_MS,
      connect: { timeout: ANSWER_TIMEOUT_MS },
    });
  }

  /** The worker came up, or is draining: the supervisor has to know at once. */
  reportNow(): void {
    this.#schedule(0);
  }

  /** Sessions came or went; several such changes make one report. */
  reportSoon(): void {
    this.#schedule(this.#worker.timing.heartbeatDebounceMs);
  }

  /** Says good-bye, and reports no more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#reporting;
    const { workerId, epoch } = this.#worker.identity;
    await this.#post("deregister", { worker_id: workerId, epoch }, GOODBYE_TIMEOUT_MS).catch(
      (error: unknown) => this.#log.debug({ reason: messageOf(error) }, "good-bye was not heard"),
    );
    await this.#pool.destroy();
  }

  #schedule(delayMs: number): void {
    if (this.#stopped) return;
    if (this.#reporting !== null) {
      this.#askedMs = Math.min(delayMs, this.#askedMs);
      return;
    }
    const dueMs = performance.now() + delayMs;
    if (dueMs >= this.#dueMs) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#dueMs = dueMs;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#dueMs = Infinity;
      this.#reporting = this.#report();
    }, delayMs);
  }

  async #report(): Promise<void> {
    this.#askedMs = Infinity;
    try {
      const answer = await this.#post("heartbeat", this.#body(), ANSWER_TIMEOUT_MS);
      this.#heard(readAnswer(answer));
      this.#heardOf = true;
      if (this.#failures > 0) this.#log.info("supervisor reached again");
      this.#failures = 0;
    } catch (error) {
      if (this.#failures === 0) this.#log.warn({ reason: messageOf(error) }, "supervisor not reached");
      this.#failures++;
      this.#cache.startAgain();
    }
    this.#reporting = null;
    const { heartbeatMs } = this.#worker.timing;
    if (this.#failures > 0) {
      this.#schedule(Math.min(RETRY_MS_MIN * 2 ** (this.#failures - 1), heartbeatMs));
    } else {
      this.#schedule(Math.min(this.#askedMs, heartbeatMs));
    }
  }

  /** One of another name is another one, or a new life of the old: it knows nothing yet. */
  #heard({ supervisor, wantsAll }: Answer): void {
    const isOther = this.#heardOf && supervisor !== this.#supervisorId;
    if (wantsAll || isOther) this.#cache.startAgain();
    else this.#cache.acknowledged();
    this.#supervisorId = supervisor;
  }

  #body(): object {
    const { identity, engine, sessions, limits } = this.#worker;
    return {
      worker_id: identity.workerId,
      worker_url: this.#workerUrl,
      timestamp: Date.now(),
      health: { alive: true, active_sessions: sessions.active, kv_cache_bytes: sessions.kvBytes },
      epoch: identity.epoch,
      draining: sessions.draining,
      own_sessions: this.#ownSessions(),
      sessions_by: sessions.bySupervisor(),
      role: identity.role,
      labels: identity.labels,
      limits: reportLimits(limits),
      models: reportModels(this.#worker),
      progress: reportProgress(engine),
      cache: this.#cache.next(),
    };
  }

  /** Null when the supervisor never said its name: then it is not known which sessions are its own. */
  #ownSessions(): number | null {
    if (this.#supervisorId !== null) return this.#worker.sessions.activeFrom(this.#supervisorId);
    // Who has not heard of this worker has sent it nothing.
    return this.#heardOf ? null : 0;
  }

  /** Resolves to the answer's text; rejects unless it is a 200. */
  async #post(what: "heartbeat" | "deregister", body: object, timeoutMs: number): Promise<string> {
    const { statusCode, body: answer } = await this.#pool.request({
      method: "POST",
      path: new URL(`${this.#supervisorUrl}/coordinator/health/${what}`).pathname,
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await answer.text();
    if (statusCode !== 200) throw new Error(`answered ${statusCode}: ${text.slice(0, 200)}`);
    return text;
  }
}

interface Answer {
  supervisor: string | null;
  /** Asks for all of the cache. */
  wantsAll: boolean;
}

function readAnswer(answer: string): Answer {
  const body = JSON.parse(answer) as { supervisor?: unknown; cache?: unknown } | null;
  return {
    supervisor: typeof body?.supervisor === "string" ? body.supervisor : null,
    wantsAll: body?.cache === "all",
  };
}
