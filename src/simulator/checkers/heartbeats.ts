import type { CoreConfig } from "../../core/config.ts";
import type { Dispatch, Effect } from "../../core/effects.ts";
import type { HeartbeatReceived, SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import { requestOf } from "../ids.ts";
import type { Checker, EndOfWorld, Violate } from "./checker.ts";

interface Heard {
  atUs: Micros;
  report: HeartbeatReceived;
}

/**
 * Each report is answered once; one that is too old, too far ahead or overtaken is not believed;
 * nothing is sent to a worker that drains or has not been heard of; what ran on a process that
 * is gone is given up at once; and the dead are forgotten.
 */
export class HeartbeatsChecker implements Checker {
  readonly #config: CoreConfig;
  readonly #violate: Violate;
  readonly #heard = new Map<string, Heard>();
  readonly #remotes: ReadonlySet<string>;
  /** Attempts under way, with the worker they were sent to. */
  readonly #running = new Map<string, string>();
  #report: HeartbeatReceived | null = null;
  /** Attempts whose worker has gone in this step. */
  readonly #lost = new Set<string>();

  constructor(config: CoreConfig, violate: Violate) {
    this.#config = config;
    this.#violate = violate;
    this.#remotes = new Set(config.remotes.map(({ name }) => name));
  }

  event(_nowUs: Micros, event: SupervisorEvent): void {
    this.#report = event.kind === "heartbeat_received" ? event : null;
    if (event.kind === "worker_left") this.#forget(event.worker);
    if (event.kind === "attempt_finished" || event.kind === "attempt_failed") {
      this.#running.delete(event.attempt);
    }
  }

  effects(nowUs: Micros, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === "answer_heartbeat") this.#answered(nowUs, effect.refusal === null);
      if (effect.kind === "dispatch") this.#dispatched(nowUs, effect);
      if (effect.kind === "cancel_attempt") {
        this.#running.delete(effect.attempt);
        this.#lost.delete(effect.attempt);
      }
      if (effect.kind === "worker_changed" && effect.status === "evicted") this.#forget(effect.worker);
    }
    for (const attempt of this.#lost) {
      this.#violate(requestOf(attempt), `${attempt} is waited for, though its worker is gone`);
    }
    this.#lost.clear();
    if (this.#report !== null) this.#violate(null, `${this.#report.report} is not answered`);
  }

  end({ nowUs, inspection }: EndOfWorld): void {
    const { staleUs, deadUs } = this.#config.heartbeats;
    for (const { worker, status, heartbeatUs } of inspection.workers) {
      if (heartbeatUs === null) continue;
      const silentUs = nowUs - heartbeatUs;
      if (silentUs > (status === "stale" ? deadUs : staleUs)) {
        this.#violate(null, `${worker} is ${status} after ${silentUs / 1e6} s of silence`);
      }
    }
  }

  #answered(nowUs: Micros, accepted: boolean): void {
    const report = this.#report;
    if (report === null) return this.#violate(null, "a heartbeat is answered that was not sent");
    this.#report = null;
    if (!accepted) return;
    const { behindMs, aheadMs } = this.#config.heartbeats;
    const ageMs = report.receivedMs - report.timestampMs;
    if (ageMs > behindMs || -ageMs > aheadMs)
      this.#violate(null, `${report.report} is believed at an age of ${ageMs} ms`);
    const before = this.#heard.get(report.worker)?.report;
    if (before !== undefined && report.timestampMs < before.timestampMs) {
      this.#violate(
        null,
        `${report.report} of ${report.worker} is believed after the later ${before.report}`,
      );
    }
    if (before !== undefined && report.epoch !== before.epoch) this.#lose(report.worker);
    this.#heard.set(report.worker, { atUs: nowUs, report });
  }

  #forget(worker: string): void {
    if (this.#heard.delete(worker)) this.#lose(worker);
  }

  #lose(worker: string): void {
    for (const [attempt, at] of this.#running) if (at === worker) this.#lost.add(attempt);
  }

  #dispatched(nowUs: Micros, { request, attempt, worker }: Dispatch): void {
    if (this.#remotes.has(worker)) return;
    this.#running.set(attempt, worker);
    const heard = this.#heard.get(worker);
    if (heard === undefined)
      return this.#violate(request, `${attempt} is sent to ${worker}, which is unknown`);
    if (heard.report.draining) this.#violate(request, `${attempt} is sent to ${worker}, which drains`);
    if (nowUs - heard.atUs > this.#config.heartbeats.staleUs) {
      this.#violate(
        request,
        `${attempt} is sent to ${worker}, not heard of for ${(nowUs - heard.atUs) / 1e6} s`,
      );
    }
  }
}
