import { assert } from "../assert.ts";
import type { CoreConfig, QueueingConfig } from "../config.ts";
import type { RequestArrived } from "../events.ts";
import { createPolicy, type PolicyChoice } from "../policy.ts";
import type { BandInspection } from "../inspection.ts";
import type { Packet } from "../request.ts";
import type { Micros } from "../units.ts";
import type { Slo } from "../vocabulary.ts";
import { BANDS, FAIRNESS, ORDERING } from "./catalogues.ts";
import type { Ordering } from "./contracts.ts";
import { bandOf, flowOf, keyOf, laneOf, lookUp } from "./flow-of.ts";
import { Band, type Entry, Flow, Line } from "./line.ts";
import { Shelf } from "./shelf.ts";
import { Walk } from "./walk.ts";

/** What the sequence numbers of packets that come back are below those of fresh ones. */
const AGAIN = 2 ** 52;
/** Packets that are looked at together. */
const FRONT_MAX = 1_024;
/** Flows remembered of which nothing waits and nothing runs. */
const IDLE_FLOWS_MAX = 10_000;

/** What is too full for one more packet: the whole queue, or the packet's band. */
export type QueueFull = "queue_full" | "band_full";

/** What has a place in the queue. A request asks for one before it is cut into packets. */
type Applicant = Pick<RequestArrived, "bodyBytes" | "hints">;

export interface QueueLimits {
  packetsMax: number;
  /** Of request bodies. */
  bytesMax: number;
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

/** What a packet that runs has been charged for. */
interface Run {
  entry: Entry;
  inputTokens: number;
  generatedTokens: number;
  /** What its answer is expected to come to. */
  expectedTokens: number;
  /** Whether its endpoint has done anything for it. */
  hasUse: boolean;
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
 */
export class Queue {
  #config: QueueingConfig;
  #limits: QueueLimits;
  #ordering: Ordering;
  readonly #lines = new Map<string, Line>();
  /** Those in which packets wait, by model. */
  readonly #waiting = new Map<string, Line>();
  /** What waits of each band, over all models. */
  #shelves: readonly Shelf[];
  readonly #entries = new WeakMap<Packet, Entry>();
  readonly #runs = new Map<Packet, Run>();
  /** Requests that run, by flow, over all models and bands. */
  readonly #running = new Map<string, number>();
  /** Nothing of them waits or runs; who came last stays longest. */
  readonly #idle = new Set<Flow>();
  #flows = 0;
  #packets = 0;
  #bytes = 0;
  #sequence = 0;

  constructor(config: QueueingConfig, limits: QueueLimits) {
    this.#config = config;
    this.#limits = limits;
    this.#ordering = createPolicy(ORDERING, config.ordering);
    this.#shelves = config.bands.map((band) => new Shelf(band));
  }

  get packets(): number {
    return this.#packets;
  }

  /** Bodies of the waiting requests, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Flows that are remembered, whether anything of them waits or runs or not. */
  get flows(): number {
    return this.#flows;
  }

  /** What waits of each band, the most urgent first. */
  get bands(): BandInspection[] {
    return this.#shelves.map(({ packets, bytes }, i) => ({
      band: this.#config.bands[i]!.name,
      packets,
      bytes,
    }));
  }

  /** What keeps one more packet from waiting; null when it may. */
  fullFor(applicant: Applicant): QueueFull | null {
    const { bodyBytes, hints } = applicant;
    const { packetsMax, bytesMax } = this.#limits;
    if (!this.#shelves[bandOf(hints, this.#config)]!.hasRoom(bodyBytes)) return "band_full";
    return this.#packets < packetsMax && this.#bytes + bodyBytes <= bytesMax ? null : "queue_full";
  }

  hasRoom(applicant: Applicant): boolean {
    return this.fullFor(applicant) === null;
  }

  /**
   * Who would have to go so that one more packet has room: from the least urgent band on, in each the newest first,
   * and never of its own band or a more urgent one. Null when that would not be enough.
   */
  evictFor(applicant: Applicant): Packet[] | null {
    const { bodyBytes, hints } = applicant;
    const own = bandOf(hints, this.#config);
    if (!this.#shelves[own]!.hasRoom(bodyBytes)) return null;
    let packetsOver = this.#packets + 1 - this.#limits.packetsMax;
    let bytesOver = this.#bytes + bodyBytes - this.#limits.bytesMax;
    const evicted: Packet[] = [];
    for (let i = this.#shelves.length - 1; i > own; i--) {
      for (const { packet } of this.#shelves[i]!.newestFirst()) {
        if (packetsOver <= 0 && bytesOver <= 0) return evicted;
        // An answer that has been begun is not thrown away for one that has not.
        if (packet.carried !== null) continue;
        evicted.push(packet);
        packetsOver--;
        bytesOver -= packet.request.arrival.bodyBytes;
      }
    }
    return packetsOver <= 0 && bytesOver <= 0 ? evicted : null;
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
    return this.#shelves.flatMap((shelf) => Array.from(shelf.newestFirst(), ({ packet }) => packet));
  }

  /**
   * Whether a new packet would have to stand in line. Those that have been tried wait for endpoints they have not
   * failed on, and those of a flow at its cap for the flow's own: they must not keep it from the rest.
   */
  isWaiting(model: string): boolean {
    const line = this.#waiting.get(model);
    if (line === undefined || line.waiting === line.again) return false;
    for (const { flows } of line.bands) {
      for (const { name, waiting, again } of flows) if (waiting > again && this.#mayRun(name)) return true;
    }
    return false;
  }

  /** How many packets run on it. */
  runningOn(model: string): number {
    return this.#lines.get(model)?.running ?? 0;
  }

  /** Whether its flow runs as many packets as it may. */
  isCapped(packet: Packet): boolean {
    return !this.#mayRun(flowOf(packet.request.arrival, this.#config.flowBy));
  }

  has(packet: Packet): boolean {
    const entry = this.#entries.get(packet);
    return entry !== undefined && entry.flow.has(entry);
  }

  /** Whether what it asks for waits in a band that is shed first. */
  isSheddable({ hints }: Applicant): boolean {
    return this.#config.bands[bandOf(hints, this.#config)]!.isSheddable;
  }

  /** How long a packet of its band may wait in all. */
  ttlUs(packet: Packet): Micros {
    return (
      this.#config.bands[bandOf(packet.request.arrival.hints, this.#config)]!.ttlUs ?? this.#limits.ttlUs
    );
  }

  add(packet: Packet, nowUs: Micros): void {
    assert(!this.has(packet), `${packet.id} waits once`);
    this.#stand(this.#entryOf(packet, this.#sequenceOf(packet), nowUs), nowUs);
    this.#packets++;
    this.#bytes += packet.request.arrival.bodyBytes;
  }

  /** Returns whether the packet was waiting. */
  remove(packet: Packet, nowUs: Micros): boolean {
    const entry = this.#entries.get(packet);
    if (entry === undefined || !entry.flow.has(entry)) return false;
    const { flow } = entry;
    const { line } = flow.band;
    flow.delete(entry, nowUs);
    if (line.waiting === 0) this.#waiting.delete(line.model);
    this.#shelves[flow.band.index]!.delete(entry);
    this.#packets--;
    this.#bytes -= packet.request.arrival.bodyBytes;
    this.#rest(flow);
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
    const mayRun = ({ name }: Flow) => this.#mayRun(name);
    yield* new Walk(line, { nowUs, mayRun, ttlUs: (packet) => this.ttlUs(packet) }).packets();
  }

  /** Those that are next as things are now, in order: for whoever decides about several of them together. */
  front(model: string, nowUs: Micros): Packet[] {
    const line = this.#waiting.get(model);
    if (line === undefined) return [];
    const mayRun = ({ name }: Flow) => this.#mayRun(name);
    const ttlUs = (packet: Packet) => this.ttlUs(packet);
    const passedMax = FRONT_MAX;
    return [...new Walk(line, { nowUs, mayRun, ttlUs, passedMax, passedPerFlowMax: passedMax }).packets()];
  }

  // ── what packets are served with ───────────────────────────────────────────────────────

  /** It has been sent to an endpoint, whether it had to wait or not. */
  dispatched(packet: Packet, nowUs: Micros): void {
    assert(!this.#runs.has(packet), `${packet.id} runs once`);
    let entry = this.#entries.get(packet);
    if (entry === undefined || !this.#remembers(entry.flow)) {
      // To policies it came, found nobody before it, and went.
      this.add(packet, nowUs);
      this.remove(packet, nowUs);
      entry = this.#entries.get(packet)!;
    }
    const { flow, inputTokens } = entry;
    this.#idle.delete(flow);
    // More may have been learnt of the flow while it waited.
    const expectedTokens = flow.outputs.expected(ceilingOf(packet));
    this.#runs.set(packet, { entry, inputTokens, generatedTokens: 0, expectedTokens, hasUse: false });
    this.#count(flow, 1);
    flow.dispatched(entry, nowUs);
    flow.expect(expectedTokens);
    flow.charge({ input: inputTokens, output: 0 }, nowUs);
  }

  /** Its prompt has been read: what counts is what it really came to. */
  read(packet: Packet, promptTokens: number, nowUs: Micros): void {
    const run = this.#runs.get(packet);
    if (run === undefined) return;
    run.hasUse = true;
    run.entry.flow.charge({ input: promptTokens - run.inputTokens, output: 0 }, nowUs);
    run.inputTokens = promptTokens;
  }

  /** So many tokens more have been generated for it. */
  generated(packet: Packet, tokens: number, nowUs: Micros): void {
    const run = this.#runs.get(packet);
    if (run === undefined) return;
    const { flow } = run.entry;
    flow.expect(-remaining(run));
    run.hasUse = true;
    run.generatedTokens += tokens;
    flow.expect(remaining(run));
    flow.charge({ input: 0, output: tokens }, nowUs);
  }

  /**
   * It runs no longer: it is complete, or was cut off, or will be tried again. Returns whether its flow ran as many as it
   * may: if so, packets of it for any model can go now.
   */
  ended(packet: Packet, nowUs: Micros): boolean {
    const run = this.#runs.get(packet);
    if (run === undefined) return false;
    const { flow } = run.entry;
    const wasCapped = !this.#mayRun(flow.name);
    this.#runs.delete(packet);
    this.#entries.delete(packet);
    this.#count(flow, -1);
    flow.expect(-remaining(run));
    if (run.generatedTokens > 0) flow.outputs.learn(run.generatedTokens);
    if (!run.hasUse) flow.charge({ input: -run.inputTokens, output: 0 }, nowUs);
    this.#rest(flow);
    return wasCapped;
  }

  // ── other policies ─────────────────────────────────────────────────────────────────────

  /**
   * Goes on by another configuration. All that waits is put in line anew; policies that stay what they were keep
   * what they know of the bands and flows that stay.
   */
  reconfigure(config: QueueingConfig, nowUs: Micros, limits: QueueLimits = this.#limits): void {
    const before = this.#config;
    this.#config = config;
    this.#limits = limits;
    this.#ordering = createPolicy(ORDERING, config.ordering);
    this.#shelves = config.bands.map((band) => new Shelf(band));
    for (const line of this.#lines.values()) this.#reshape(line, before, nowUs);
    const waiting = [...this.#lines.values()].flatMap((line) => line.entries);
    for (const entry of waiting.sort((a, b) => a.sequence - b.sequence)) {
      // In first and out after: a flow that it stays in has not come or gone.
      this.#stand(this.#entryOf(entry.packet, entry.sequence, nowUs, entry), nowUs);
      entry.flow.delete(entry, nowUs);
    }
    for (const run of this.#runs.values()) {
      const { entry } = run;
      this.#count(entry.flow, -1);
      entry.flow.expect(-remaining(run));
      run.entry = this.#entryOf(entry.packet, entry.sequence, nowUs, entry);
      // A new policy has not charged it anything that could be put right later.
      if (!isSame(before.fairness, config.fairness)) run.inputTokens = 0;
      this.#count(run.entry.flow, 1);
      run.entry.flow.expect(remaining(run));
    }
    for (const line of this.#lines.values()) this.#tidy(line);
  }

  /** Gives a line the bands, weights and policies of the configuration; flows of other bands are left to be emptied. */
  #reshape(line: Line, before: QueueingConfig, nowUs: Micros): void {
    const { bands, bandPolicy, fairness, weights } = this.#config;
    for (const [index, { name, weight }] of bands.entries()) {
      const band = line.byName.get(name);
      if (band !== undefined) Object.assign(band, { index, weight });
    }
    if (!isSame(before.bandPolicy, bandPolicy)) line.bands.replace(createPolicy(BANDS, bandPolicy), nowUs);
    for (const band of line.byName.values()) {
      for (const flow of band.byName.values()) flow.weight = lookUp(weights, flow.name, 1);
      if (!isSame(before.fairness, fairness)) band.flows.replace(createPolicy(FAIRNESS, fairness), nowUs);
    }
  }

  /** Bands that are no more are empty by now; flows that go by another name now are left to be forgotten. */
  #tidy(line: Line): void {
    for (const band of line.byName.values()) {
      if (this.#config.bands.some(({ name }) => name === band.name)) {
        for (const flow of band.byName.values()) if (!this.#idle.has(flow)) this.#rest(flow);
        continue;
      }
      for (const flow of band.byName.values()) this.#idle.delete(flow);
      this.#flows -= band.byName.size;
      line.byName.delete(band.name);
    }
  }

  // ── the structure ──────────────────────────────────────────────────────────────────────

  #sequenceOf({ attempts }: Packet): number {
    this.#sequence++;
    return attempts > 0 ? this.#sequence - AGAIN : this.#sequence;
  }

  #entryOf(packet: Packet, sequence: number, nowUs: Micros, before: Entry | null = null): Entry {
    const { request, attempts } = packet;
    const { arrival, arrivedUs, model } = request;
    const { hints, tenant, key } = arrival;
    const flow = this.#flowFor(model, bandOf(hints, this.#config), flowOf(arrival, this.#config.flowBy));
    const slo = hints.slo ?? this.#limits.slo;
    const item = {
      packet,
      sequence,
      arrivedUs,
      dueUs: slo === null ? (request.deadline?.atUs ?? Infinity) : arrivedUs + slo.ttftUs,
      inputTokens: arrival.promptTokensMax,
      outputTokens: before?.outputTokens ?? flow.outputs.expected(ceilingOf(packet)),
      weight: lookUp(this.#config.weights, keyOf(tenant, key), 1),
    };
    const entry = {
      ...item,
      flow,
      rank: this.#ordering.rank(item),
      isAgain: attempts > 0,
      sinceUs: before?.sinceUs ?? nowUs,
      lane: laneOf(hints.labels),
      overtaken: before?.overtaken ?? 0,
    };
    this.#entries.set(packet, entry);
    return entry;
  }

  #stand(entry: Entry, nowUs: Micros): void {
    const { flow } = entry;
    const { band } = flow;
    this.#idle.delete(flow);
    flow.add(entry, nowUs);
    this.#shelves[band.index]!.add(entry);
    this.#waiting.set(band.line.model, band.line);
  }

  #flowFor(model: string, bandIndex: number, name: string): Flow {
    const { bands, bandPolicy, fairness, weights } = this.#config;
    let line = this.#lines.get(model);
    if (line === undefined) this.#lines.set(model, (line = new Line(model, createPolicy(BANDS, bandPolicy))));
    const { name: bandName, weight } = bands[bandIndex]!;
    let band = line.byName.get(bandName);
    if (band === undefined) {
      const policy = createPolicy(FAIRNESS, fairness);
      band = new Band(line, { name: bandName, index: bandIndex, weight, policy });
      line.byName.set(bandName, band);
    }
    let flow = band.byName.get(name);
    if (flow === undefined) {
      this.#forget();
      flow = new Flow(band, { name, weight: lookUp(weights, name, 1) });
      band.byName.set(name, flow);
      this.#flows++;
    }
    return flow;
  }

  #mayRun(flow: string): boolean {
    return (this.#running.get(flow) ?? 0) < lookUp(this.#config.caps, flow, Infinity);
  }

  #count(flow: Flow, by: 1 | -1): void {
    flow.running += by;
    flow.band.line.running += by;
    const running = (this.#running.get(flow.name) ?? 0) + by;
    if (running === 0) this.#running.delete(flow.name);
    else this.#running.set(flow.name, running);
  }

  /** False once it has been idle for too long, or its band is gone. */
  #remembers(flow: Flow): boolean {
    const { line, name } = flow.band;
    return this.#lines.get(line.model)?.byName.get(name)?.byName.get(flow.name) === flow;
  }

  /** Nothing may be left of a flow but its past, which is of use when it comes back. */
  #rest(flow: Flow): void {
    if (!flow.isIdle) return;
    this.#idle.delete(flow);
    this.#idle.add(flow);
  }

  /** Makes room for one more flow: by that of the one that has been idle for longest. */
  #forget(): void {
    for (const flow of this.#idle) {
      if (this.#idle.size < IDLE_FLOWS_MAX) return;
      const { band } = flow;
      this.#idle.delete(flow);
      band.byName.delete(flow.name);
      this.#flows--;
      if (band.byName.size === 0) band.line.byName.delete(band.name);
      if (band.line.byName.size === 0) this.#lines.delete(band.line.model);
    }
  }
}

function remaining({ expectedTokens, generatedTokens }: Run): number {
  return Math.max(0, expectedTokens - generatedTokens);
}

/** What all its answers together may come to. */
function ceilingOf({ maxTokens, choices }: Packet): number {
  return maxTokens * choices;
}

function isSame(a: PolicyChoice, b: PolicyChoice): boolean {
  return a.name === b.name && JSON.stringify(a.parameters) === JSON.stringify(b.parameters);
}
