import type { SchedulingSettings } from "../config/scheduling-schema.ts";
import type { News } from "../gateway/news.ts";
import type { WorkerReport } from "../gateway/heartbeat-report.ts";

export interface NewsRoomOptions {
  /** Workers that are remembered, for replicas that come later. */
  workersMax: number;
  /** Tells every replica that is ready to hear, except that one. */
  tellAll: (news: News, except: string | null) => void;
  nowMs: () => number;
}

/** Passes on what came in at one replica to all of them, and keeps what one that starts later has to know. */
export class NewsRoom {
  readonly #options: NewsRoomOptions;
  /** The last report of each worker, without its cache; who reported last comes last. */
  readonly #reports = new Map<string, { report: WorkerReport; heardMs: number }>();
  #policies: SchedulingSettings | null = null;

  constructor(options: NewsRoomOptions) {
    this.#options = options;
  }

  /** Null is the launcher itself. */
  take(from: string | null, news: News): void {
    switch (news.kind) {
      case "heartbeat":
        this.#remember(news.report);
        break;
      case "worker_left":
        this.#forget(news.worker, news.epoch);
        break;
      case "policies":
        this.#policies = news.settings;
        // Two may be changed at once: all replicas, those as well, end with what was the last here.
        return this.#options.tellAll(news, null);
      case "cache_wanted":
        break;
    }
    this.#options.tellAll(news, from);
  }

  /** What a replica that starts now has to know. */
  backlog(): News[] {
    const reports = Array.from(this.#reports.values(), ({ report }) => ({
      kind: "heartbeat" as const,
      report,
    }));
    return this.#policies === null
      ? reports
      : [{ kind: "policies" as const, settings: this.#policies }, ...reports];
  }

  /** Whether any replica has heard from that worker since then. */
  hasHeardWithin(worker: string, ms: number): boolean {
    const heardMs = this.#reports.get(worker)?.heardMs ?? -Infinity;
    return this.#options.nowMs() - heardMs < ms;
  }

  #remember(report: WorkerReport): void {
    this.#reports.delete(report.worker);
    // What is cached was told in parts; a new replica asks for all of it when it first hears from the worker.
    this.#reports.set(report.worker, { report: { ...report, cache: null }, heardMs: this.#options.nowMs() });
    if (this.#reports.size <= this.#options.workersMax) return;
    const [oldest] = this.#reports.keys();
    this.#reports.delete(oldest!);
  }

  /** Without an epoch, whichever life of it. */
  #forget(worker: string, epoch: string | null): void {
    if (epoch === null || this.#reports.get(worker)?.report.epoch === epoch) this.#reports.delete(worker);
  }
}
