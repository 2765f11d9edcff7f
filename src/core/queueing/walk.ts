import type { Packet } from "../request.ts";
import type { Micros } from "../units.ts";
import type { Band, Entry, Flow, Line } from "./line.ts";

/** Packets that one walk may pass over before it gives up, and of one flow: there may be room for a later one. */
const PASSED_MAX = 32;
const PASSED_PER_FLOW_MAX = 8;
/** Packets that were tried elsewhere wait for the endpoints that are left to them: they keep no fresh one from being looked at. */
const PASSED_AGAIN_MAX = 256;
/** A packet that this many others have overtaken, and that has waited for this share of its time, lets no more go by. */
const OVERTAKEN_MAX = 32;
const PATIENCE_SHARE = 1 / 8;

export interface WalkOptions {
  nowUs: Micros;
  /** Whether the flow may run one more packet. */
  mayRun: (flow: Flow) => boolean;
  ttlUs: (packet: Packet) => Micros;
  /** Packets that it may pass over, of all flows and of one; as usual if absent. */
  passedMax?: number;
  passedPerFlowMax?: number;
}

/** The flows of a band that a walk has still to do with; null where it has no more to do with one. */
interface Ranking {
  flows: (Flow | null)[];
  ranks: number[];
}

/**
 * One walk along a line. Each time it gives the packet that is next, considering what has been placed so far. Flows are ranked
 * when the walk comes to their band, and again when it has come by one of their packets: serving one does not change
 * the rank of another.
 */
export class Walk {
  readonly #line: Line;
  readonly #options: WalkOptions;
  readonly #cameBy = new Set<Entry>();
  readonly #rankings = new Map<Band, Ranking>();
  readonly #passed: Entry[] = [];
  readonly #passedOf = new Map<Flow, number>();
  #passedAgain = 0;
  /** Labels that a packet with the same ones has to be placed for first. */
  readonly #heldLanes = new Set<string>();

  constructor(line: Line, options: WalkOptions) {
    this.#line = line;
    this.#options = options;
  }

  /** See `Queue.inOrder`. */
  *packets(): Iterable<Packet> {
    while (
      this.#passed.length < (this.#options.passedMax ?? PASSED_MAX) &&
      this.#passedAgain < PASSED_AGAIN_MAX
    ) {
      const entry = this.#next();
      if (entry === null) return;
      this.#cameBy.add(entry);
      if (!this.#heldLanes.has(entry.lane)) {
        try {
          yield entry.packet;
        } finally {
          // Also where nobody asks for another one.
          if (!entry.flow.has(entry)) for (const passed of this.#passed) passed.overtaken++;
        }
        if (!entry.flow.has(entry)) continue;
      }
      this.#pass(entry);
      if (!this.#holdsBack(entry)) continue;
      if (entry.lane === "") return;
      this.#heldLanes.add(entry.lane);
    }
  }

  #next(): Entry | null {
    const { bands } = this.#line;
    return bands.best((band) => this.#look(band), this.#options.nowUs)?.next ?? null;
  }

  #pass(entry: Entry): void {
    if (entry.isAgain) {
      this.#passedAgain++;
      return;
    }
    this.#passed.push(entry);
    this.#passedOf.set(entry.flow, (this.#passedOf.get(entry.flow) ?? 0) + 1);
  }

  #holdsBack({ isAgain, overtaken, packet, sinceUs }: Entry): boolean {
    if (isAgain || overtaken < OVERTAKEN_MAX) return false;
    return this.#options.nowUs - sinceUs >= this.#options.ttlUs(packet) * PATIENCE_SHARE;
  }

  /** Finds what the band would be served with next. */
  #look(band: Band): boolean {
    let ranking = this.#rankings.get(band);
    if (ranking === undefined) this.#rankings.set(band, (ranking = this.#rank(band)));
    const { flows, ranks } = ranking;
    for (;;) {
      let lowest = -1;
      for (let i = 0; i < flows.length; i++) {
        if (flows[i] !== null && (lowest < 0 || ranks[i]! < ranks[lowest]!)) lowest = i;
      }
      const flow = flows[lowest] ?? null;
      band.next = flow?.next ?? null;
      if (flow === null || this.#canBeServed(flow)) return flow !== null;
      // Something has happened since it was ranked: its packet was placed or passed over, or has left.
      if (this.#findNext(flow)) ranks[lowest] = band.flows.policy.rank(flow, this.#options.nowUs);
      else flows[lowest] = null;
    }
  }

  #rank(band: Band): Ranking {
    const flows = [...band.flows].filter((flow) => this.#findNext(flow));
    return { flows, ranks: flows.map((flow) => band.flows.policy.rank(flow, this.#options.nowUs)) };
  }

  #canBeServed(flow: Flow): boolean {
    const { next } = flow;
    return next !== null && !this.#cameBy.has(next) && flow.has(next) && this.#options.mayRun(flow);
  }

  #findNext(flow: Flow): boolean {
    const mayLook = (this.#passedOf.get(flow) ?? 0) < PASSED_PER_FLOW_MAX && this.#options.mayRun(flow);
    flow.next = mayLook ? flow.firstBut(this.#cameBy) : null;
    return flow.next !== null;
  }
}
