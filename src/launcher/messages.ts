import type { Config } from "../config/schema.ts";
import type { News } from "../gateway/news.ts";
import type { KeeperMessage, ReplicaMessage } from "../ledger/shared/messages.ts";
import type { MetricsShare } from "../observability/metrics-share.ts";

/** What a replica begins with: the same for every life of every one, whatever has become of the file. */
export interface ReplicaStart {
  config: Config;
  stateFolder: string;
  /** What replicas are called: a new name for each life. */
  name: string;
  /** How many there are. */
  of: number;
  /** Whom workers report to, all replicas together. */
  reportedTo: string;
  /** When Headgate was started, in ms since the Unix epoch. */
  startedMs: number;
}

/**
 * A replica's life, as the two sides tell each other:
 *
 * ```
 *   replica   hello          ledger …          assembled              listening ── serves ──▶ closes, ends
 *   launcher         start          ledger …              news, listen                 drain
 * ```
 * `failed` in place of any of them, and the process ends. Once it is assembled, it is told all news; so it knows the
 * workers before it listens.
 */
export type FromReplica =
  | { kind: "hello" }
  | { kind: "ledger"; message: ReplicaMessage }
  | { kind: "assembled" }
  | { kind: "listening"; url: string }
  | { kind: "failed"; words: string }
  | { kind: "news"; news: News }
  /** It has heard nothing of that worker for so long that it has given it up. */
  | { kind: "silent_worker"; worker: string }
  /** Somebody has asked it for the metrics of all. */
  | { kind: "metrics_wanted" }
  | { kind: "metrics_share"; round: number; share: MetricsShare };

export type ToReplica =
  | { kind: "start"; start: ReplicaStart }
  | { kind: "ledger"; message: KeeperMessage }
  | { kind: "listen"; port: number }
  | { kind: "news"; news: News }
  | { kind: "metrics_asked"; round: number }
  /** Answers every `metrics_wanted` of it so far. */
  | { kind: "metrics_gathered"; live: MetricsShare[]; past: MetricsShare }
  /** Refuse new requests, let the running ones finish, and end. */
  | { kind: "drain" };
