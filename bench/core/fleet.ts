import { parseConfig } from "../../src/config/load.ts";
import { toCoreConfig } from "../../src/config/core-config.ts";
import type { HeartbeatReceived, Hints } from "../../src/core/events.ts";
import type { Endpoint } from "../../src/core/fleet/endpoint.ts";
import { Fleet } from "../../src/core/fleet/fleet.ts";
import type { PlacementContext } from "../../src/core/placement/contracts.ts";
import { place } from "../../src/core/placement/placement.ts";
import type { PlacementProfile } from "../../src/core/placement/profile.ts";
import { Signals } from "../../src/core/placement/signals/signals.ts";
import { Random } from "../../src/core/random.ts";
import type { Attempt, Packet } from "../../src/core/request.ts";
import { seconds } from "../../src/core/units.ts";
import { attemptOn, heartbeatOf, packetOf } from "../core-inputs.ts";

const MODEL = "bench";
const PROMPT_TOKENS = 2_560;
const MAX_TOKENS = 256;
const KV_BYTES_PER_TOKEN = 1_024;
const SLOTS = 8;
/** Half of the slots are busy, so that load differs from worker to worker and all are candidates. */
const BUSY_SLOTS = 4;
/** Between two arrivals at each worker, on average. */
const GAP_US = seconds(0.5);

/** A busy fleet, and packets that come one after the other; each takes the place of the one that has run longest. */
export class BenchFleet {
  readonly #fleet: Fleet;
  readonly #signals: Signals;
  readonly #profile: PlacementProfile;
  readonly #random = new Random(1);
  readonly #running: Attempt[] = [];
  readonly #busyMax: number;
  readonly #gapUs: number;
  #oldest = 0;
  #nowUs = 0;
  #count = 0;

  constructor({ profile, workers }: { profile: PlacementProfile; workers: number }) {
    const text = `limits: { workers_max: ${workers}, sessions_max: ${workers * SLOTS} }`;
    const config = toCoreConfig(parseConfig(text, { path: "bench" }));
    this.#fleet = new Fleet(config);
    this.#signals = new Signals(config.scheduling.placement);
    this.#profile = profile;
    this.#busyMax = workers * BUSY_SLOTS;
    this.#gapUs = GAP_US / workers;
    for (let i = 0; i < workers; i++) this.#heard(reportOf(`worker-${i}`));
  }

  /** Lets requests come and go until the fleet is as busy as it will be. */
  warmUp(hintsOf: (i: number) => Hints): this {
    for (let i = 0; i < this.#busyMax * 3; i++) this.settle(...this.decide(this.next(hintsOf(i))));
    return this;
  }

  /** The next request's packet. */
  next(hints: Hints): Packet {
    this.#nowUs += this.#gapUs;
    return packetOf({
      id: `r${this.#count++}`,
      tenant: "local",
      model: MODEL,
      promptTokens: PROMPT_TOKENS,
      maxTokens: MAX_TOKENS,
      hints,
      nowUs: this.#nowUs,
    });
  }

  /** The decision by itself: which endpoint. */
  decide(packet: Packet): [packet: Packet, endpoint: Endpoint] {
    const context: PlacementContext = {
      nowUs: this.#nowUs,
      random: this.#random,
      signals: this.#signals,
      slo: { ttftUs: seconds(2), tpotUs: seconds(0.05) },
    };
    const endpoint = place(packet, this.#fleet.available(MODEL), this.#profile, context);
    if (endpoint === null) throw new Error("the fleet is full");
    return [packet, endpoint];
  }

  /** What follows from it: the packet runs there, and the oldest one ends. */
  settle(packet: Packet, endpoint: Endpoint): void {
    const attempt = attemptOn(endpoint, packet, this.#nowUs);
    const before = this.#running[this.#oldest];
    if (before !== undefined) {
      this.#signals.generated(before, MAX_TOKENS, this.#nowUs);
      this.#fleet.release(before);
      this.#signals.ended(before, this.#nowUs, "completed");
    }
    this.#running[this.#oldest] = attempt;
    this.#oldest = (this.#oldest + 1) % this.#busyMax;
    this.#fleet.occupy(attempt);
    this.#signals.dispatched(attempt, this.#nowUs);
    // Every prompt is read when half of those after it have come.
    const reading = this.#running[(this.#oldest + (this.#busyMax >> 1)) % this.#busyMax];
    if (reading === undefined) return;
    reading.prompt = { tokens: PROMPT_TOKENS, cached: PROMPT_TOKENS >> 1 };
    this.#signals.started(reading, this.#nowUs);
  }

  #heard(report: HeartbeatReceived): void {
    this.#fleet.heartbeat(this.#nowUs, report);
    this.#signals.reported(this.#fleet.worker(report.worker)!, report, this.#nowUs);
  }
}

function reportOf(worker: string): HeartbeatReceived {
  const served = { model: MODEL, contextTokens: 8_192, slots: SLOTS, kvBytesPerToken: KV_BYTES_PER_TOKEN };
  return heartbeatOf(worker, served, {
    limits: { sessionsMax: 100, sessionKvBytesMax: 2 ** 29, kvBytesMax: 2 ** 33 },
    labels: { region: "eu" },
    sessions: 1,
    kvBytes: 2 ** 20,
    cache: { sequence: 0, stored: [], removed: [] },
  });
}
