import type { AnswerHeartbeat } from "../core/effects.ts";
import type { SupervisorEvent } from "../core/events.ts";
import { type Micros, MICROS_PER_MILLI } from "../core/units.ts";
import type { WorkersPort } from "../supervisor/ports.ts";
import type { FaultPlan } from "./faults.ts";
import type { Network } from "./network.ts";
import type { Random } from "../core/random.ts";
import type { VirtualTime } from "./virtual-time.ts";
import type { VirtualWorker } from "./worker.ts";

/** A report that arrives this late is refused for its age, or overtaken, or both. */
const LATE_MS_MAX = 40_000;

/** Who a report reaches, if anybody is there when it arrives. */
export interface Listener {
  /** Which life of the supervisor it is. */
  life: number;
  /** Its clock, in ms since the Unix epoch. */
  nowMs: number;
  submit: (event: SupervisorEvent) => void;
}

/** Carries workers' reports to all supervisors, as badly as the faults ask for. */
export class Heartbeats implements WorkersPort {
  readonly #time: VirtualTime;
  readonly #network: Network;
  readonly #faults: FaultPlan;
  readonly #random: Random;
  readonly #listeners: () => readonly (Listener | null)[];
  /** How old a report is when it arrives, on top of the network. */
  readonly #delayUs: Micros;
  readonly #clockErrorMs = new Map<string, number>();
  #reports = 0;

  constructor(options: {
    time: VirtualTime;
    network: Network;
    faults: FaultPlan;
    random: Random;
    /** By the place of the supervisor; null where there is none at the moment. */
    listeners: () => readonly (Listener | null)[];
    delayUs?: Micros;
  }) {
    this.#delayUs = options.delayUs ?? 0;
    this.#time = options.time;
    this.#network = options.network;
    this.#faults = options.faults;
    this.#random = options.random;
    this.#listeners = options.listeners;
  }

  /** Workers act on nothing that the supervisor answers. */
  answerHeartbeat(_effect: AnswerHeartbeat): void {}

  /** Reports now and then at the worker's interval, until its process ends. */
  keepReporting(worker: VirtualWorker): void {
    const { epoch } = worker;
    const report = (): void => {
      if (!worker.isRunning || worker.epoch !== epoch) return;
      this.report(worker);
      this.#time.after(worker.spec.heartbeatUs, report);
    };
    this.#clockErrorMs.set(epoch, this.#drawClockErrorMs());
    report();
  }

  /** One report out of turn, as workers send on a change that matters. */
  report(worker: VirtualWorker): void {
    const listeners = this.#listeners();
    // Nobody is there to take it.
    if (listeners.every((listener) => listener === null)) return;
    const written = this.#written(worker);
    for (const [place, listener] of listeners.entries()) {
      if (listener === null) continue;
      const ownSessions = worker.spec.countsOwnSessions ? worker.runningOf(listener.life) : null;
      const report = { ...written, ownSessions };
      if (this.#network.isCutOff(worker.spec.id) || this.#faults.strikes("heartbeat_lost", 0.2)) continue;
      this.#deliver(report, place);
      if (this.#faults.strikes("heartbeat_duplicated", 0.2)) this.#deliver(report, place);
    }
  }

  #written(worker: VirtualWorker): Omit<Report, "ownSessions"> {
    const { spec, running, foreignSessions, kvBytes, epoch } = worker;
    const foreignKvBytes = foreignSessions * 1_024 * 64;
    return {
      kind: "heartbeat_received",
      report: `report-${++this.#reports}`,
      worker: spec.id,
      url: `http://${spec.id}.invalid`,
      dialect: spec.dialect,
      epoch,
      timestampMs: this.#time.nowMs + (this.#clockErrorMs.get(epoch) ?? 0),
      draining: worker.state === "draining",
      limits: spec.limits,
      role: spec.role,
      labels: spec.labels,
      models: spec.models,
      sessions: running + foreignSessions,
      kvBytes: kvBytes + foreignKvBytes,
      progress: worker.progress,
      cache: worker.cacheReport(),
    };
  }

  #deliver(report: Report, place: number): void {
    const isLate = this.#faults.strikes("heartbeat_late", 0.2);
    const lateUs = isLate ? this.#random.between(500, LATE_MS_MAX) * MICROS_PER_MILLI : 0;
    this.#time.after(this.#network.delayUs(report.worker) + this.#delayUs + lateUs, () => {
      const listener = this.#listeners()[place];
      listener?.submit({ ...report, receivedMs: listener.nowMs });
    });
  }

  #drawClockErrorMs(): number {
    if (!this.#faults.strikes("clock_skew", 0.3)) return 0;
    return this.#random.between(-40_000, 8_000);
  }
}

type Report = Omit<Extract<SupervisorEvent, { kind: "heartbeat_received" }>, "receivedMs">;
