import type { CoreConfig } from "../../core/config.ts";
import type { Dispatch, Effect } from "../../core/effects.ts";
import type { HeartbeatReceived, SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import { requestOf } from "../ids.ts";
import { type Checker, type EndOfWorld, isEnd, type Violate } from "./checker.ts";

interface Heard {
  atUs: Micros;
  report: HeartbeatReceived;
}

interface Running {
  worker: string;
  request: string;
  /** Its engine has it to do, and has not begun: nothing but the engine itself can hold it up. */
  isDue: boolean;
  /** When the worker first reported the progress that it still reports. */
  unmovedUs: Micros | null;
}

/**
 * Each report is answered once; one that is too old, too far ahead or overtaken is not believed;
 * nothing is sent to a worker that drains or has not been heard of; what ran on a process that
 * is gone is given up at once, and so is what waits for an engine that makes no progress; and the dead are forgotten.
 */
export class HeartbeatsChecker implements Checker {
  readonly #config: CoreConfig;
  readonly #violate: Violate;
  readonly #heard = new Map<string, Heard>();
  readonly #remotes: ReadonlySet<string>;
  readonly #running = new Map<string, Running>();
  /** Workers whose engine stands still. */
  readonly #stalled = new Set<string>();
  readonly #blocked = new Set<string>();
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
    if (isEnd(event)) this.#running.delete(event.attempt);
    if (event.kind === "client_blocked") this.#blocked.add(event.request);
    if (event.kind !== "attempt_started" && event.kind !== "attempt_output") return;
    const running = this.#running.get(event.attempt);
    if (running !== undefined) running.isDue = false;
  }

  effects(nowUs: Micros, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === "answer_heartbeat") this.#answered(nowUs, effect.refusal === null);
      if (effect.kind === "dispatch") this.#dispatched(nowUs, effect);
      if (effect.kind === "cancel_attempt") {
        this.#running.delete(effect.attempt);
        this.#lost.delete(effect.attempt);
      }
      if (effect.kind === "request_settled") this.#blocked.delete(effect.record.request);
      if (effect.kind !== "worker_changed") continue;
      if (effect.status === "evicted") this.#forget(effect.worker);
      if (effect.reason === "no progress") this.#stalled.add(effect.worker);
    }
    for (const attempt of this.#lost) {
      this.#violate(
        requestOf(attempt),
        `${attempt} is waited for, though its worker is gone or stands still`,
      );
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
    this.#judge(nowUs, report, before);
    this.#heard.set(report.worker, { atUs: nowUs, report });
  }

  #forget(worker: string): void {
    this.#stalled.delete(worker);
    if (this.#heard.delete(worker)) this.#lose(worker);
  }

  #lose(worker: string): void {
    for (const [attempt, running] of this.#running) if (running.worker === worker) this.#lost.add(attempt);
  }

  /** Whether its engine has moved since its last report. */
  #judge(nowUs: Micros, report: HeartbeatReceived, before: HeartbeatReceived | undefined): void {
    const { worker, progress, sessions } = report;
    const hasMoved = progress === null || progress !== before?.progress;
    if (hasMoved || sessions === 0) this.#stalled.delete(worker);
    for (const [attempt, running] of this.#running) {
      if (running.worker !== worker || !running.isDue || this.#blocked.has(running.request)) continue;
      if (hasMoved) running.unmovedUs = null;
      running.unmovedUs ??= nowUs;
      if (nowUs - running.unmovedUs >= this.#config.timeouts.stallUs) this.#lost.add(attempt);
    }
  }

  #dispatched(nowUs: Micros, { request, attempt, worker, resume }: Dispatch): void {
    if (this.#remotes.has(worker)) return;
    this.#running.set(attempt, { worker, request, isDue: resume === null, unmovedUs: null });
    if (this.#stalled.has(worker))
      this.#violate(request, `${attempt} is sent to ${worker}, which stands still`);
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
