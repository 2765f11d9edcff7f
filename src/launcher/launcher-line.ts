import type { News } from "../gateway/news.ts";
import type { Channel, KeeperMessage, ReplicaMessage } from "../ledger/shared/messages.ts";
import { type MetricsShare, textOfAll } from "../observability/metrics-share.ts";
import type { FromReplica, ReplicaStart, ToReplica } from "./messages.ts";

/** What a replica does when it is told to. */
export interface ReplicaActions {
  start: (start: ReplicaStart) => Promise<void>;
  listen: (port: number) => Promise<void>;
  /** Ends the process in the end. */
  drain: () => Promise<void>;
  news: (news: News) => void;
  metricsShare: () => Promise<MetricsShare>;
}

/** A replica's line to the launcher. When it ends, or what was to be done fails, so does the process. */
export class LauncherLine {
  #actions: Partial<ReplicaActions> = {};
  #onLedger: (message: KeeperMessage) => void = () => {};
  #metricsWaiting: PromiseWithResolvers<string>[] = [];

  constructor() {
    process.once("disconnect", () => process.exit(1));
    process.on("message", (message: ToReplica) => this.#take(message));
  }

  /** What to do from now on. */
  on(actions: Partial<ReplicaActions>): void {
    this.#actions = { ...this.#actions, ...actions };
  }

  readonly send = (message: FromReplica): void => {
    // What can't be sent ends the channel, and that ends the process.
    process.send!(message, undefined, undefined, () => {});
  };

  readonly tellNews = (news: News): void => this.send({ kind: "news", news });

  /** To whoever keeps the ledger. */
  readonly ledger: Channel<ReplicaMessage, KeeperMessage> = {
    send: (message) => this.send({ kind: "ledger", message }),
    onMessage: (callback) => {
      this.#onLedger = callback;
    },
  };

  /** The metrics of all replicas together, as text. */
  readonly metricsOfAll = (): Promise<string> => {
    const waiting = Promise.withResolvers<string>();
    if (this.#metricsWaiting.push(waiting) === 1) this.send({ kind: "metrics_wanted" });
    return waiting.promise;
  };

  #take(message: ToReplica): void {
    const { start, listen, drain, news, metricsShare } = this.#actions;
    switch (message.kind) {
      case "start":
        return this.#orEnd(start!(message.start));
      case "ledger":
        return this.#onLedger(message.message);
      case "listen":
        return this.#orEnd(listen!(message.port));
      case "news":
        return news!(message.news);
      case "metrics_asked":
        return void this.#share(metricsShare!, message.round);
      case "metrics_gathered":
        return this.#gathered(textOfAll(message.live, message.past));
      case "drain":
        return this.#orEnd(drain!());
    }
  }

  async #share(metricsShare: () => Promise<MetricsShare>, round: number): Promise<void> {
    try {
      this.send({ kind: "metrics_share", round, share: await metricsShare() });
    } catch {
      // They are missing then, and the launcher waits no longer than it does for one that hangs.
    }
  }

  /** Those who have asked meanwhile get the same. */
  #gathered(text: Promise<string>): void {
    const waiting = this.#metricsWaiting;
    this.#metricsWaiting = [];
    for (const { resolve } of waiting) resolve(text);
  }

  #orEnd(work: Promise<void>): void {
    work.catch((error: unknown) => {
      const failed: FromReplica = { kind: "failed", words: (error as Error).message };
      process.send!(failed, undefined, undefined, () => process.exit(1));
    });
  }
}
