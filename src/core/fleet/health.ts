import { assert } from "../assert.ts";
import type { CoreConfig } from "../config.ts";
import type { HeartbeatReceived } from "../events.ts";
import type { Attempt } from "../request.ts";
import type { Turn } from "../turn.ts";
import type { Micros } from "../units.ts";
import type { Fleet } from "./fleet.ts";
import type { Worker } from "./worker.ts";

/** The reason given for a worker that has been silent for too long. */
export const NO_HEARTBEAT = "no heartbeat";

/** What a report that was accepted has changed. */
export interface Heard {
  worker: Worker;
  isNew: boolean;
  /** Attempts that ran on the process before this one. */
  lost: readonly Attempt[];
  /** Attempts of an engine that has stood still for too long. */
  stalled: readonly Attempt[];
}

/** Whether its endpoint has something to do for it: neither its client nor its credit holds it up. */
function isBusy({ packet, streams, creditTokens }: Attempt): boolean {
  return (
    packet.request.slowClient === null &&
    streams.some((stream) => stream.end === null && stream.generatedTokens < creditTokens)
  );
}

/** Judges workers by what they report and by how long they have been silent. */
export class Health {
  readonly #turn: Turn;
  readonly #fleet: Fleet;
  readonly #limits: CoreConfig["heartbeats"];
  readonly #stallUs: Micros;

  constructor(turn: Turn, fleet: Fleet, config: Pick<CoreConfig, "heartbeats" | "timeouts">) {
    this.#turn = turn;
    this.#fleet = fleet;
    this.#limits = config.heartbeats;
    this.#stallUs = config.timeouts.stallUs;
  }

  /** Answers the report; null when it is refused. A worker that has restarted has lost its attempts, one that stands still keeps them. */
  heard(report: HeartbeatReceived): Heard | null {
    const outcome = this.#fleet.heartbeat(this.#turn.nowUs, report);
    const refusal = outcome.kind === "refused" ? outcome.refusal : null;
    this.#turn.emit({ kind: "answer_heartbeat", report: report.report, refusal });
    if (outcome.kind === "refused") return null;
    const { kind, worker } = outcome;
    if (kind !== "same") {
      this.#turn.cancel(worker.silence);
      this.#watch(worker);
      this.#announce(worker, kind);
    }
    return {
      worker,
      isNew: kind === "joined" || kind === "restarted",
      lost: kind === "restarted" ? outcome.lost : [],
      stalled: this.#hasStalled(worker, report) ? [...worker.attempts] : [],
    };
  }

  /** A worker can report as if all were well while its engine does nothing: its own count of tokens tells. */
  #hasStalled(worker: Worker, { progress, sessions }: HeartbeatReceived): boolean {
    const { nowUs } = this.#turn;
    const moves = progress === null || progress !== worker.progress;
    // One that has nothing left to do moves again as soon as it is given something, and not before.
    if (moves || sessions === 0) this.#fleet.setStalled(worker, false);
    const busy = [...worker.attempts].filter(isBusy);
    if (moves || worker.isStalled || busy.length === 0) {
      worker.progress = progress;
      worker.progressUs = nowUs;
      return false;
    }
    // What was sent to it since it last moved, where it had nothing to do, has not kept it waiting for longer than that.
    const workUs = Math.min(...busy.map(({ dispatchedUs }) => dispatchedUs));
    if (nowUs - Math.max(worker.progressUs, workUs) < this.#stallUs) return false;
    this.#fleet.setStalled(worker, true);
    this.#announce(worker, "no progress");
    return true;
  }

  /** Its time to be silent is up, if it was silent; returns whether it is given up. */
  isDead(worker: Worker): boolean {
    assert(worker.heardUs !== null, `${worker.id} sends heartbeats`);
    const silentUs = this.#turn.nowUs - worker.heardUs;
    if (silentUs >= this.#limits.deadUs) return true;
    if (silentUs >= this.#limits.staleUs && worker.status !== "stale") {
      this.#fleet.setStatus(worker, "stale");
      this.#announce(worker, NO_HEARTBEAT);
    }
    this.#watch(worker);
    return false;
  }

  /** Forgets the worker; returns the attempts that were running there. */
  evict(worker: Worker, reason: string): readonly Attempt[] {
    this.#turn.cancel(worker.silence);
    this.#turn.emit({ kind: "worker_changed", worker: worker.id, status: "evicted", reason });
    return this.#fleet.remove(worker);
  }

  #announce({ id, status }: Worker, reason: string): void {
    this.#turn.emit({ kind: "worker_changed", worker: id, status, reason });
  }

  /** One timer a worker: it looks back when it fires, and waits on if there was a heartbeat. */
  #watch(worker: Worker): void {
    assert(worker.heardUs !== null, `${worker.id} sends heartbeats`);
    const { staleUs, deadUs } = this.#limits;
    const silenceUs = worker.status === "stale" ? deadUs : staleUs;
    worker.silence = this.#turn.at(worker.heardUs + silenceUs, { kind: "worker_silent", worker });
  }
}
