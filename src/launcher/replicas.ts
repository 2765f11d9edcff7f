import type { News } from "../gateway/news.ts";
import type { ReplicaMessage } from "../ledger/shared/messages.ts";
import type { SharedLedger } from "../ledger/shared/shared-ledger.ts";
import type { Log } from "../observability/log.ts";
import { freePort } from "./free-port.ts";
import type { FromReplica, ReplicaStart } from "./messages.ts";
import { MetricsRounds } from "./metrics-rounds.ts";
import type { NewsRoom } from "./news-room.ts";
import { ReplicaProcesses } from "./replica-processes.ts";

export interface ReplicasOptions {
  /** How many there are. */
  of: number;
  start: Omit<ReplicaStart, "name" | "of">;
  ledger: Pick<SharedLedger, "join" | "leave">;
  newsRoom: NewsRoom;
  log: Log;
  onWarning: (words: string) => void;
  /** A replica has given that worker up. */
  onSilentWorker: (worker: string) => void;
}

interface Life {
  /** `hears` all news; `serves` once it listens, too. */
  state: "starts" | "hears" | "serves";
  onLedger: (message: ReplicaMessage) => void;
}

/** The launcher's side of what replicas and launcher tell each other (see `messages.ts`). */
export class Replicas {
  readonly #options: ReplicasOptions;
  readonly #processes: ReplicaProcesses;
  readonly #metrics: MetricsRounds;
  readonly #lives = new Map<string, Life>();
  /** Where they listen, once it is known. */
  #port: Promise<number> | null = null;
  /** Until all have listened once. */
  #starting: PromiseWithResolvers<string> | null = null;
  #isStopping = false;
  /** What has failed while they were stopped. */
  readonly #failures: string[] = [];

  constructor(options: ReplicasOptions) {
    this.#options = options;
    this.#processes = new ReplicaProcesses({
      message: (name, message) => this.#take(name, message),
      exited: (name, reason, restartMs) => this.#exited(name, { reason, restartMs }),
      left: (name) => this.#left(name),
    });
    this.#metrics = new MetricsRounds({
      serving: () => [...this.#lives].flatMap(([name, { state }]) => (state === "serves" ? [name] : [])),
      ask: (name, round) => this.#processes.send(name, { kind: "metrics_asked", round }),
      answer: (name, gathered) => this.#processes.send(name, { kind: "metrics_gathered", ...gathered }),
    });
  }

  /** Resolves to the address when all of them listen; rejects when one of them can't. */
  async start(): Promise<string> {
    this.#starting = Promise.withResolvers<string>();
    this.#processes.start(this.#options.of);
    const url = await this.#starting.promise;
    this.#starting = null;
    return url;
  }

  tellAll(news: News, except: string | null): void {
    for (const [name, { state }] of this.#lives) {
      if (state !== "starts" && name !== except) this.#processes.send(name, { kind: "news", news });
    }
  }

  /** Ends one that does not answer, by force. */
  kill(name: string): void {
    this.#options.log.error({ supervisor: name }, "nothing is heard of a supervisor");
    this.#processes.kill(name);
  }

  killAll(): void {
    this.#processes.killAll();
  }

  /** Has all of them drain, and ends those that need longer, in ms; rejects when one could not end in good order. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    await this.#processes.stop(graceMs);
    if (this.#failures.length > 0) throw new Error(this.#failures.join("\n"));
  }

  #take(name: string, message: FromReplica): void {
    if (message.kind === "hello") return this.#begin(name);
    const life = this.#lives.get(name);
    // It may be read after its process was counted as gone.
    if (life === undefined) return;
    switch (message.kind) {
      case "ledger":
        return life.onLedger(message.message);
      case "assembled":
        return this.#letListen(name, life);
      case "listening":
        return this.#listens(name, life, message.url);
      case "failed":
        return this.#failed(name, message.words);
      case "news":
        return this.#options.newsRoom.take(name, message.news);
      case "silent_worker":
        return this.#options.onSilentWorker(message.worker);
      case "metrics_wanted":
        return this.#metrics.wanted(name);
      case "metrics_share":
        return this.#metrics.take(name, message);
    }
  }

  #begin(name: string): void {
    const { start, of, ledger } = this.#options;
    const life: Life = { state: "starts", onLedger: () => {} };
    this.#lives.set(name, life);
    this.#processes.send(name, { kind: "start", start: { ...start, name, of } });
    ledger.join(name, {
      send: (message) => this.#processes.send(name, { kind: "ledger", message }),
      onMessage: (callback) => {
        life.onLedger = callback;
      },
    });
  }

  #letListen(name: string, life: Life): void {
    life.state = "hears";
    for (const news of this.#options.newsRoom.backlog()) this.#processes.send(name, { kind: "news", news });
    const { host, port } = this.#options.start.config.server;
    this.#port ??= port === 0 ? freePort(host) : Promise.resolve(port);
    this.#port.then(
      (number) => this.#processes.send(name, { kind: "listen", port: number }),
      (error: unknown) => this.#starting?.reject(error as Error),
    );
  }

  #listens(name: string, life: Life, url: string): void {
    life.state = "serves";
    this.#processes.isReady(name);
    this.#options.log.info({ supervisor: name }, "supervisor serves");
    const serving = [...this.#lives.values()].filter(({ state }) => state === "serves").length;
    if (serving === this.#options.of) this.#starting?.resolve(url);
  }

  #failed(name: string, words: string): void {
    this.#options.log.error({ supervisor: name, error: words }, "supervisor failed");
    if (this.#isStopping) this.#failures.push(words);
    this.#starting?.reject(new Error(words));
  }

  #exited(name: string, { reason, restartMs }: { reason: string; restartMs: number | null }): void {
    this.#starting?.reject(new Error(`Supervisor ${name} ended before all had started (${reason}).`));
    if (restartMs === null) return;
    this.#options.log.error({ supervisor: name, reason, restartMs }, "supervisor ended");
    const seconds = restartMs / 1_000;
    this.#options.onWarning(`supervisor ${name} ended (${reason}); starting another one in ${seconds} s`);
  }

  #left(name: string): void {
    this.#lives.delete(name);
    this.#metrics.left(name);
    this.#options.ledger.leave(name);
  }
}
