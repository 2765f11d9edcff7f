import { assert } from "../assert.ts";
import type { CoreConfig, QueueingConfig } from "../config.ts";
import type { RequestArrived } from "../events.ts";
import type { BandInspection } from "../inspection.ts";
import type { Packet } from "../request.ts";
import type { Micros } from "../units.ts";
import type { Slo } from "../vocabulary.ts";
import { Entries } from "./entries.ts";
import { bandOf, flowOf } from "./flow-of.ts";
import { KnownFlows } from "./known-flows.ts";
import type { Entry, Flow, Line } from "./line.ts";
import { Runs } from "./runs.ts";
import { type QueueFull, type RoomLimits, WaitingRoom } from "./waiting-room.ts";
import { Walk } from "./walk.ts";

/** Packets that are looked at together. */
const FRONT_MAX = 1_024;

/** What has a place in the queue. A request asks for one before it is cut into packets. */
type Applicant = Pick<RequestArrived, "bodyBytes" | "hints">;

export interface QueueLimits extends RoomLimits {
  /** How long a packet may wait, where its band says nothing else. */
  ttlUs: Micros;
  /** What is hoped for where a request does not say; null for nothing. */
  slo: Slo | null;
}

export function queueLimits({ limits, timeouts, scheduling }: CoreConfig): QueueLimits {
  return {
    packetsMax: limits.queuePacketsMax,
    bytesMax: limits.queueBytesMax,
    ttlUs: timeouts.queueUs,
    slo: scheduling.placement.slo,
  };
}

/**
 * Packets that wait for an endpoint. They wait here and not at a worker, so that the choice of a worker is made
 * when there is one (late binding).
 *
 * ```
 *   model ─▶ band ─▶ flow ─▶ packet
 *            │       │       └ ordering policy; one that comes back after an attempt goes before fresh ones
 *            │       └ fairness policy; a flow that runs as many as its cap allows is left out
 *            └ band policy
 * ```
 *
 * Policies are told what flows are served with: tokens of the prompt when it is dispatched, tokens of the answer as they
 * are generated. How long answers will be is never known; flows are expected to go on as they did.
 *
 * `KnownFlows` keeps this structure, `Entries` says where in it each packet stands. `WaitingRoom` has the limits of what
 * waits, `Runs` the caps of what runs and what it is charged for. The queue puts them together.
 */
export class Queue {
  #config: QueueingConfig;
  #limits: QueueLimits;
  readonly #flows: KnownFlows;
  readonly #entries: Entries;
  #room: WaitingRoom;
  readonly #runs: Runs;
  /** Lines in which packets wait, by model. */
  readonly #waiting = new Map<string, Line>();
  #hasPreemptingBands: boolean;

  constructor(config: QueueingConfig, limits: QueueLimits) {
    this.#config = config;
    this.#limits = limits;
    this.#flows = new KnownFlows(config);
    this.#entries = new Entries({ config, slo: limits.slo, flows: this.#flows });
    this.#room = new WaitingRoom(config.bands, limits);
    this.#runs = new Runs(config.caps);
    this.#hasPreemptingBands = hasPreemptingBands(config);
  }

  get packets(): number {
    return this.#room.packets;
  }

  /** Bodies of the waiting requests, in bytes. */
  get bytes(): number {
    return this.#room.bytes;
  }

  /** Flows that are remembered, whether anything of them waits or runs or not. */
  get flows(): number {
    return this.#flows.size;
  }

  /** What waits of each band, the most urgent first. */
  get bands(): BandInspection[] {
    return this.#room.bands;
  }

  /** What keeps one more packet from waiting; null when it may. */
  fullFor(applicant: Applicant): QueueFull | null {
    return this.#room.fullFor(bandOf(applicant.hints, this.#config), applicant.bodyBytes);
  }

  hasRoom(applicant: Applicant): boolean {
    return this.fullFor(applicant) === null;
  }

  /**
   * Who would have to go so that one more packet has room: from the least urgent band on, in each the newest first,
   * and never of its own band or a more urgent one. Null when that would not be enough.
   */
  evictFor(applicant: Applicant): Packet[] | null {
    return this.#room.evictFor(bandOf(applicant.hints, this.#config), applicant.bodyBytes);
  }

  /** Models that packets wait for. */
  get models(): Iterable<string> {
    return this.#waiting.keys();
  }

  /** How many packets wait for the model. */
  waitingFor(model: string): number {
    return this.#waiting.get(model)?.waiting ?? 0;
  }

  /** All that wait, the most urgent band first and in each the newest. */
  all(): Packet[] {
    return this.#room.all();
  }

  /**
   * Whether a new packet would have to stand in line. Those that have been tried wait for endpoints they have not
   * failed on, and those of a flow at its cap for the flow's own: they must not keep it from the rest.
   */
  isWaiting(model: string): boolean {
    const line = this.#waiting.get(model);
    if (line === undefined || line.waiting === line.again) return false;
    for (const { flows } of line.bands) {
      for (const { name, waiting, again } of flows)
        if (waiting > again && this.#runs.mayRun(name)) return true;
    }
    return false;
  }

  /** How many packets run on it. */
  runningOn(model: string): number {
    return this.#flows.runningOn(model);
  }

  /** Whether its flow runs as many packets as it may. */
  isCapped(packet: Packet): boolean {
    return !this.#runs.mayRun(flowOf(packet.request.arrival, this.#config.flowBy));
  }

  has(packet: Packet): boolean {
    const entry = this.#entries.get(packet);
    return entry !== undefined && entry.flow.has(entry);
  }

  /** Whether what it asks for waits in a band that is shed first. */
  isSheddable({ hints }: Applicant): boolean {
    return this.#config.bands[bandOf(hints, this.#config)]!.isSheddable;
  }

  /** Place of its band; the most urgent has 0. */
  bandOf({ request }: Packet): number {
    return bandOf(request.arrival.hints, this.#config);
  }

  /** Whether those of any band take places of less urgent ones; where packets go in batches, none does. */
  get hasPreemptingBands(): boolean {
    return this.#hasPreemptingBands;
  }

  /** The first of those who wait for the same model in more urgent bands that preempt, and may run. */
  moreUrgentThan(packet: Packet, count: number): Packet[] {
    const line = this.#waiting.get(packet.request.model);
    if (line === undefined) return [];
    const own = this.bandOf(packet);
    const found: Packet[] = [];
    for (const { index, flows } of line.bands) {
      if (index >= own || !this.#config.bands[index]!.preempts) continue;
      for (const flow of flows) {
        if (!this.#runs.mayRun(flow.name)) continue;
        for (const entry of flow.entries) {
          if (found.length === count) return found;
          found.push(entry.packet);
        }
      }
    }
    return found;
  }

  /** How long a packet of its band may wait in all. */
  ttlUs(packet: Packet): Micros {
    return (
      this.#config.bands[bandOf(packet.request.arrival.hints, this.#config)]!.ttlUs ?? this.#limits.ttlUs
    );
  }

  add(packet: Packet, nowUs: Micros): void {
    assert(!this.has(packet), `${packet.id} waits once`);
    this.#stand(this.#entries.add(packet, nowUs), nowUs);
  }

  /** Returns whether the packet was waiting. */
  remove(packet: Packet, nowUs: Micros): boolean {
    const entry = this.#entries.get(packet);
    if (entry === undefined || !entry.flow.has(entry)) return false;
    const { flow } = entry;
    const { line } = flow.band;
    flow.delete(entry, nowUs);
    if (line.waiting === 0) this.#waiting.delete(line.model);
    this.#room.delete(entry);
    this.#flows.rest(flow);
    return true;
  }

  /**
   * The waiting packets of a model in the order they are to be placed, which follows from what has been placed so far.
   * Take those that have a place out; one that is still there when the next is asked for is passed over: there may be
   * nothing for it, and something for those behind it. At most 32 are, and 8 of one flow, so that others come
   * to their turn.
   *
   * Small packets could so go by a large one for ever. One that 32 others have gone by, and that has waited for an eighth
   * of its time, ends the walk until there is room for it. If it has labels, it only holds back packets with the same
   * ones, as the rest may go to endpoints that it can't. One that has been tried elsewhere holds nobody back: it may be
   * waiting for the one endpoint that is left to it.
   */
  *inOrder(model: string, nowUs: Micros): Iterable<Packet> {
    const line = this.#waiting.get(model);
    if (line === undefined) return;
    const mayRun = ({ name }: Flow) => this.#runs.mayRun(name);
    yield* new Walk(line, { nowUs, mayRun, ttlUs: (packet) => this.ttlUs(packet) }).packets();
  }

  /** Those that are next as things are now, in order: for whoever decides about several of them together. */
  front(model: string, nowUs: Micros): Packet[] {
    const line = this.#waiting.get(model);
    if (line === undefined) return [];
    const mayRun = ({ name }: Flow) => this.#runs.mayRun(name);
    const ttlUs = (packet: Packet) => this.ttlUs(packet);
    const passedMax = FRONT_MAX;
    return [...new Walk(line, { nowUs, mayRun, ttlUs, passedMax, passedPerFlowMax: passedMax }).packets()];
  }

  // ── what packets are served with ───────────────────────────────────────────────────────

  /** It has been sent to an endpoint, whether it had to wait or not. */
  dispatched(packet: Packet, nowUs: Micros): void {
    let entry = this.#entries.get(packet);
    if (entry === undefined || !this.#flows.has(entry.flow)) {
      // To policies it came, found nobody before it, and went.
      this.add(packet, nowUs);
      this.remove(packet, nowUs);
      entry = this.#entries.get(packet)!;
    }
    this.#flows.wake(entry.flow);
    this.#runs.begin(entry, nowUs);
  }

  /** Its prompt has been read: what counts is what it really came to. */
  read(packet: Packet, promptTokens: number, nowUs: Micros): void {
    this.#runs.read(packet, promptTokens, nowUs);
  }

  /** So many tokens more have been generated for it. */
  generated(packet: Packet, tokens: number, nowUs: Micros): void {
    this.#runs.generated(packet, tokens, nowUs);
  }

  /**
   * It runs no longer: it is complete, or was cut off, or will be tried again. Returns whether its flow ran as many as it
   * may: if so, packets of it for any model can go now.
   */
  ended(packet: Packet, nowUs: Micros): boolean {
    const flow = this.#runs.flowOf(packet);
    if (flow === null) return false;
    const wasCapped = !this.#runs.mayRun(flow.name);
    this.#runs.end(packet, nowUs);
    this.#entries.delete(packet);
    this.#flows.rest(flow);
    return wasCapped;
  }

  // ── other policies ─────────────────────────────────────────────────────────────────────

  /**
   * Goes on by another configuration. All that waits is put in line anew; policies that stay what they were keep
   * what they know of the bands and flows that stay.
   */
  reconfigure(config: QueueingConfig, nowUs: Micros, limits: QueueLimits = this.#limits): void {
    this.#config = config;
    this.#limits = limits;
    this.#hasPreemptingBands = hasPreemptingBands(config);
    this.#entries.reconfigure(config, limits.slo);
    this.#room = new WaitingRoom(config.bands, limits);
    const isUncharged = this.#flows.reshape(config, nowUs);
    const waiting = this.#flows.entries;
    for (const entry of waiting.sort((a, b) => a.sequence - b.sequence)) {
      // In first and out after: a flow that it stays in has not come or gone.
      this.#stand(this.#entries.renew(entry), nowUs);
      entry.flow.delete(entry, nowUs);
    }
    this.#runs.reconfigure({
      caps: config.caps,
      renew: (entry) => {
        const renewed = this.#entries.renew(entry);
        this.#flows.wake(renewed.flow);
        return renewed;
      },
      isUncharged,
    });
    this.#flows.tidy();
  }

  #stand(entry: Entry, nowUs: Micros): void {
    const { flow } = entry;
    const { band } = flow;
    this.#flows.wake(flow);
    flow.add(entry, nowUs);
    this.#room.add(entry);
    this.#waiting.set(band.line.model, band.line);
  }
}

function hasPreemptingBands({ bands, batching }: QueueingConfig): boolean {
  return batching === null && bands.some(({ preempts }) => preempts);
}
