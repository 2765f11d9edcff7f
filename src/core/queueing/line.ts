import type { Packet } from "../request.ts";
import type { Micros } from "../units.ts";
import { Contest } from "./contest.ts";
import type { Contender, Item, Service, Sharing } from "./contracts.ts";
import { Heap } from "./heap.ts";
import { MeanOutput } from "./mean-output.ts";

/** A packet that waits or runs. */
export interface Entry extends Item {
  readonly flow: Flow;
  /** Among those of its flow. */
  readonly rank: number;
  /** Back after an attempt: before all fresh ones of its flow. */
  readonly isAgain: boolean;
  /** Since when it waits. */
  readonly sinceUs: Micros;
  /** Its labels: only packets with the same ones compete for just the same endpoints. */
  readonly lane: string;
  /** Packets that were placed while it was passed over. */
  overtaken: number;
}

/** What one tenant, key or hint wants of one model, in one band. */
export class Flow implements Contender {
  readonly name: string;
  readonly index = 0;
  readonly band: Band;
  weight: number;
  /** Those that wait and have been tried. */
  again = 0;
  running = 0;
  outstandingTokens = 0;
  next: Entry | null = null;
  readonly outputs: MeanOutput;
  readonly #entries = new Heap<Entry>(goesBefore);

  constructor(band: Band, options: { name: string; weight: number }) {
    this.name = options.name;
    this.weight = options.weight;
    this.band = band;
    this.outputs = new MeanOutput(band.line.outputs);
  }

  get waiting(): number {
    return this.#entries.size;
  }

  /** Nothing of it waits or runs. */
  get isIdle(): boolean {
    return this.waiting === 0 && this.running === 0;
  }

  /** In no order. */
  get entries(): readonly Entry[] {
    return this.#entries.items;
  }

  has(entry: Entry): boolean {
    return this.#entries.has(entry);
  }

  add(entry: Entry, nowUs: Micros): void {
    this.#entries.add(entry);
    this.band.waitingChanged(entry, 1, nowUs);
  }

  delete(entry: Entry, nowUs: Micros): void {
    this.#entries.delete(entry);
    this.band.waitingChanged(entry, -1, nowUs);
  }

  /** Tokens that all answers of the packet together are expected to come to. */
  expectedOutput({ maxTokens, choices }: Packet): number {
    return this.outputs.expected(maxTokens * choices);
  }

  dispatched(item: Item, nowUs: Micros): void {
    this.band.flows.policy.dispatched?.(this, item, nowUs);
    this.band.line.bands.policy.dispatched?.(this.band, item, nowUs);
  }

  charge(service: Service, nowUs: Micros): void {
    this.band.flows.policy.charged?.(this, service, nowUs);
    this.band.line.bands.policy.charged?.(this.band, service, nowUs);
  }

  /** What its running packets are still expected to generate has changed by so much. */
  expect(tokens: number): void {
    this.outstandingTokens += tokens;
    this.band.outstandingTokens += tokens;
  }

  /** The first packet that is not among those; null when there is none. */
  firstBut(those: ReadonlySet<Entry>): Entry | null {
    const { first } = this.#entries;
    if (first === null || !those.has(first)) return first;
    for (const entry of this.#entries.inOrder()) if (!those.has(entry)) return entry;
    return null;
  }
}

function goesBefore(a: Entry, b: Entry): boolean {
  if (a.isAgain !== b.isAgain) return a.isAgain;
  return a.rank < b.rank || (a.rank === b.rank && a.sequence < b.sequence);
}

/** The flows of one band that want one model. */
export class Band implements Contender {
  readonly name: string;
  readonly line: Line;
  index: number;
  weight: number;
  waiting = 0;
  outstandingTokens = 0;
  next: Entry | null = null;
  /** Those with packets waiting. */
  readonly flows: Contest<Flow>;
  /** All, by name. */
  readonly byName = new Map<string, Flow>();

  constructor(line: Line, options: { name: string; index: number; weight: number; policy: Sharing }) {
    this.name = options.name;
    this.line = line;
    this.index = options.index;
    this.weight = options.weight;
    this.flows = new Contest(options.policy);
  }

  waitingChanged({ flow, isAgain }: Entry, by: 1 | -1, nowUs: Micros): void {
    this.waiting += by;
    this.line.waiting += by;
    if (isAgain) {
      this.line.again += by;
      flow.again += by;
    }
    this.flows.update(flow, nowUs);
    this.line.bands.update(this, nowUs);
  }
}

/** All that wants one model: bands, and flows in them. */
export class Line {
  readonly model: string;
  waiting = 0;
  /** Those among them that have been tried. */
  again = 0;
  running = 0;
  readonly outputs = new MeanOutput();
  /** Those with packets waiting. */
  readonly bands: Contest<Band>;
  /** All, by name. */
  readonly byName = new Map<string, Band>();

  constructor(model: string, policy: Sharing) {
    this.model = model;
    this.bands = new Contest(policy);
  }

  /** All that wait, in no order. */
  get entries(): Entry[] {
    return [...this.byName.values()].flatMap(({ byName }) =>
      [...byName.values()].flatMap(({ entries }) => [...entries]),
    );
  }
}
