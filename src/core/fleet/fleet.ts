import { assert } from "../assert.ts";
import { type GpuShare, larger, NO_GPU, shareOfPlace } from "../budget/gpu-time.ts";
import { ChurnSet } from "../churn.ts";
import type { CoreConfig, RemoteConfig } from "../config.ts";
import type { HeartbeatReceived } from "../events.ts";
import { newEndpointLoad, newWorkerLoad } from "../placement/signals/load.ts";
import type { Attempt } from "../request.ts";
import { type Micros, MICROS_PER_MILLI } from "../units.ts";
import type { ServedModel } from "../vocabulary.ts";
import { EndedSessions } from "./ended-sessions.ts";
import { type Endpoint, newBreaker } from "./endpoint.ts";
import { isAvailable, isRemote, type Worker, type WorkerStatus } from "./worker.ts";

/** Its time is too far off or behind an earlier one, it is one worker too many, or a remote endpoint has its name. */
export type HeartbeatRefusal = "timestamp" | "too_many_workers" | "name_taken";

interface Capacity {
  slots: number;
  kvBytesMax: number;
}

/** What a heartbeat changed. */
export type HeartbeatOutcome =
  | { kind: "refused"; refusal: HeartbeatRefusal }
  | { kind: "joined" | "changed" | "same"; worker: Worker }
  /** The process behind the id is a new one: what ran on the old one is lost. */
  | { kind: "restarted"; worker: Worker; lost: Attempt[] };

/**
 * Who is up, what it serves and what it is busy with. Load is what this supervisor has
 * dispatched and not seen end, plus what the last report says others have there; a report
 * never overrides our own count, so a burst between two reports is spread evenly.
 */
export class Fleet {
  readonly #heartbeats: CoreConfig["heartbeats"];
  readonly #limits: CoreConfig["limits"];
  readonly #workers = new Map<string, Worker>();
  /** Endpoints by model, those of workers that are alive only. */
  readonly #available = new Map<string, Endpoint[]>();
  /** Endpoints by model, whatever their worker's status. */
  readonly #known = new Map<string, Endpoint[]>();
  readonly #draining = new Set<Worker>();
  readonly #capacities = new Map<string, Capacity>();
  readonly #places = new Map<string, GpuShare>();
  #picks = 0;
  #sessions = 0;
  #kvBytes = 0;

  constructor(config: CoreConfig) {
    this.#heartbeats = config.heartbeats;
    this.#limits = config.limits;
    for (const remote of config.remotes) this.#addRemote(remote);
    this.#index();
  }

  /** Sessions that attempts run on all workers together. */
  get sessions(): number {
    return this.#sessions;
  }

  /** KV cache set aside for them, in bytes. */
  get kvBytes(): number {
    return this.#kvBytes;
  }

  /** Whether the limits of the whole system leave room for that. */
  hasRoom({ sessions, kvBytes }: { sessions: number; kvBytes: number }): boolean {
    const { sessionsMax, kvBytesMax } = this.#limits;
    return this.#sessions + sessions <= sessionsMax && this.#kvBytes + kvBytes <= kvBytesMax;
  }

  get workers(): Iterable<Worker> {
    return this.#workers.values();
  }

  /** Workers that are about to stop. */
  get draining(): ReadonlySet<Worker> {
    return this.#draining;
  }

  worker(id: string): Worker | undefined {
    return this.#workers.get(id);
  }

  /** Endpoints of the model that may be given work. */
  available(model: string): readonly Endpoint[] {
    return this.#available.get(model) ?? [];
  }

  /** Endpoints of the model, stale and draining ones too. */
  known(model: string): readonly Endpoint[] {
    return this.#known.get(model) ?? [];
  }

  /** What those together can take: slots, and bytes of KV cache. Summed up once after each report. */
  capacity(model: string): Capacity {
    let capacity = this.#capacities.get(model);
    if (capacity === undefined) {
      capacity = { slots: 0, kvBytesMax: 0 };
      for (const { slots, worker } of this.available(model)) {
        capacity.slots += Math.min(slots, worker.limits.sessionsMax);
        capacity.kvBytesMax += worker.limits.kvBytesMax;
      }
      this.#capacities.set(model, capacity);
    }
    return capacity;
  }

  /** The most of a GPU that one place of the model is, wherever that is; found out once after each report that changes what places are. */
  largestPlace(model: string): GpuShare {
    let place = this.#places.get(model);
    if (place === undefined) {
      place = this.known(model).map(shareOfPlace).reduce(larger, NO_GPU);
      this.#places.set(model, place);
    }
    return place;
  }

  heartbeat(nowUs: Micros, report: HeartbeatReceived): HeartbeatOutcome {
    const ageMs = report.receivedMs - report.timestampMs;
    if (ageMs > this.#heartbeats.behindMs || -ageMs > this.#heartbeats.aheadMs) return refused("timestamp");
    const known = this.#workers.get(report.worker);
    if (known === undefined) {
      if (this.#workers.size >= this.#limits.workersMax) return refused("too_many_workers");
      const { worker: id, url, epoch, dialect, limits, labels } = report;
      const worker = newWorker({ id, url, epoch, dialect, heardUs: nowUs, limits, labels });
      this.#workers.set(worker.id, worker);
      this.#apply(nowUs, worker, report);
      return { kind: "joined", worker };
    }
    if (isRemote(known)) return refused("name_taken");
    // A report that was overtaken by a later one says nothing new, least of all one from before a restart.
    if (report.timestampMs < known.reportedMs) return refused("timestamp");
    if (known.epoch !== report.epoch) {
      const lost = [...known.attempts];
      known.epoch = report.epoch;
      this.#apply(nowUs, known, report);
      return { kind: "restarted", worker: known, lost };
    }
    const before = known.status;
    const changedModels = this.#apply(nowUs, known, report);
    return { kind: changedModels || before !== known.status ? "changed" : "same", worker: known };
  }

  /** Its engine stands still, or moves again. */
  setStalled(worker: Worker, isStalled: boolean): void {
    if (worker.isStalled === isStalled) return;
    worker.isStalled = isStalled;
    this.#index();
  }

  setStatus(worker: Worker, status: WorkerStatus): void {
    worker.status = status;
    this.#index();
  }

  /** Forgets the worker; the caller has to see to the attempts it still had. */
  remove(worker: Worker): Attempt[] {
    this.#workers.delete(worker.id);
    this.#index();
    return [...worker.attempts];
  }

  /** Counts an attempt on its endpoint from now on. */
  occupy(attempt: Attempt): void {
    const { endpoint, slots } = attempt;
    endpoint.inFlight += slots;
    endpoint.pickedAt = ++this.#picks;
    endpoint.worker.attempts.add(attempt);
    endpoint.worker.ownSessions += slots;
    endpoint.worker.kvBytesReserved += attempt.kvBytes;
    this.#sessions += slots;
    this.#kvBytes += attempt.kvBytes;
  }

  /** The prompt's true length is known: corrects what was set aside for the attempt. */
  resize(attempt: Attempt, kvBytes: number): void {
    attempt.endpoint.worker.kvBytesReserved += kvBytes - attempt.kvBytes;
    this.#kvBytes += kvBytes - attempt.kvBytes;
    attempt.kvBytes = kvBytes;
  }

  release(attempt: Attempt): void {
    const { endpoint, slots } = attempt;
    assert(endpoint.worker.attempts.delete(attempt), `${attempt.id} is released once`);
    endpoint.inFlight -= slots;
    endpoint.worker.ownSessions -= slots;
    endpoint.worker.endedSessions.add(slots);
    endpoint.worker.kvBytesReserved -= attempt.kvBytes;
    this.#sessions -= slots;
    this.#kvBytes -= attempt.kvBytes;
    assert(endpoint.inFlight >= 0 && this.#sessions >= 0 && this.#kvBytes >= 0, "load is never negative");
  }

  /** Takes over a report; true when the set of models changed. */
  #apply(nowUs: Micros, worker: Worker, report: HeartbeatReceived): boolean {
    worker.heardUs = nowUs;
    worker.url = report.url;
    worker.dialect = report.dialect;
    worker.reportedMs = report.timestampMs;
    worker.limits = report.limits;
    worker.role = report.role;
    worker.labels = report.labels;
    // What it still runs for us and we have given up is load like that of others.
    const ageUs = (report.receivedMs - report.timestampMs) * MICROS_PER_MILLI;
    const ended = worker.endedSessions.heard(nowUs, ageUs);
    const own = Math.min(report.ownSessions ?? Infinity, worker.ownSessions + ended);
    worker.foreignSessions = Math.max(0, report.sessions - own);
    worker.foreignKvBytes =
      report.sessions > 0 ? Math.floor((report.kvBytes * worker.foreignSessions) / report.sessions) : 0;
    const status = report.draining ? "draining" : "alive";
    const { changed, resized } = syncEndpoints(worker, report.models);
    this.#capacities.clear();
    if (resized) this.#places.clear();
    if (changed || status !== worker.status) {
      worker.status = status;
      this.#index();
    }
    return changed;
  }

  #addRemote(remote: RemoteConfig): void {
    const worker = newWorker({
      id: remote.name,
      url: null,
      epoch: "",
      dialect: "headgate",
      heardUs: null,
      limits: { sessionsMax: remote.concurrencyMax, sessionKvBytesMax: Infinity, kvBytesMax: Infinity },
      labels: remote.labels,
    });
    const served = (model: string): ServedModel => ({
      model,
      contextTokens: remote.contextTokens,
      slots: remote.concurrencyMax,
      kvBytesPerToken: 0,
      ...(remote.gpus === undefined ? {} : { gpus: remote.gpus }),
    });
    syncEndpoints(worker, remote.models.map(served));
    this.#workers.set(worker.id, worker);
  }

  /** Membership changes seldom and is read for every packet, so the lists are made when it changes. */
  #index(): void {
    this.#available.clear();
    this.#known.clear();
    this.#capacities.clear();
    this.#places.clear();
    this.#draining.clear();
    for (const worker of this.#workers.values()) {
      if (worker.status === "draining") this.#draining.add(worker);
      for (const endpoint of worker.endpoints.filter(isServed)) {
        append(this.#known, endpoint);
        if (isAvailable(worker)) append(this.#available, endpoint);
      }
    }
  }
}

function refused(refusal: HeartbeatRefusal): HeartbeatOutcome {
  return { kind: "refused", refusal };
}

function append(index: Map<string, Endpoint[]>, endpoint: Endpoint): void {
  const list = index.get(endpoint.model);
  if (list === undefined) index.set(endpoint.model, [endpoint]);
  else list.push(endpoint);
}

function newWorker(
  identity: Pick<Worker, "id" | "url" | "epoch" | "dialect" | "heardUs" | "limits" | "labels">,
): Worker {
  return {
    ...identity,
    status: "alive",
    role: "both",
    reportedMs: 0,
    endpoints: [],
    attempts: new ChurnSet(),
    endedSessions: new EndedSessions(),
    progress: null,
    progressUs: 0,
    isStalled: false,
    ownSessions: 0,
    kvBytesReserved: 0,
    foreignSessions: 0,
    foreignKvBytes: 0,
    load: newWorkerLoad(),
    silence: null,
  };
}

/**
 * Makes the worker's endpoints those of the report, keeping the counts of those that stay. A
 * model that is no longer served keeps its endpoint, without a slot, while attempts run there.
 * Returns whether other models are served now than before (`changed`), and whether any place is more or less of a GPU (`resized`).
 */
function syncEndpoints(
  worker: Worker,
  models: readonly ServedModel[],
): { changed: boolean; resized: boolean } {
  const before = new Map(worker.endpoints.map((endpoint) => [endpoint.model, endpoint]));
  const servedBefore = worker.endpoints.filter(isServed).map(({ model }) => model);
  const resized = models.some(({ model, slots, gpus }) => {
    const was = before.get(model);
    return was?.slots !== slots || was.gpus !== gpus;
  });
  const served = models.map((model) => {
    const endpoint = before.get(model.model);
    if (endpoint !== undefined) return Object.assign(endpoint, model);
    return {
      ...model,
      id: `${worker.id}/${model.model}`,
      worker,
      inFlight: 0,
      refusal: null,
      ceiling: Infinity,
      pickedAt: 0,
      load: newEndpointLoad(),
      breaker: newBreaker(),
    };
  });
  const ending = worker.endpoints.filter((endpoint) => endpoint.inFlight > 0 && !served.includes(endpoint));
  for (const endpoint of ending) endpoint.slots = 0;
  worker.endpoints = [...served, ...ending];
  const servedNow = new Set(served.filter(isServed).map(({ model }) => model));
  const changed =
    servedNow.size !== servedBefore.length || servedBefore.some((model) => !servedNow.has(model));
  return { changed, resized };
}

function isServed(endpoint: Endpoint): boolean {
  return endpoint.slots > 0;
}
