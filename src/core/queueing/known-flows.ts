import type { QueueingConfig } from "../config.ts";
import { createPolicy, type PolicyChoice } from "../policy.ts";
import type { Micros } from "../units.ts";
import { BANDS, FAIRNESS } from "./catalogues.ts";
import { lookUp } from "./flow-of.ts";
import { Band, type Entry, Flow, Line } from "./line.ts";

/** Flows remembered of which nothing waits and nothing runs. */
const IDLE_FLOWS_MAX = 10_000;

/**
 * The flows that are known, in bands, in lines for each model.
 *
 * ```
 *             at                     rest: nothing of it waits or runs
 *   unknown ──────▶ waits or runs ─────────────────────────────────────▶ idle ──▶ forgotten
 *                        ▲                                                │      one too many is,
 *                        └────────────────────────────────────────────────┘      and this longest
 *                                             wake
 * ```
 *
 * An idle flow is nothing but its past, which is of use when it comes back: what policies know of it, and how long its
 * answers were. A band goes with its last flow, and a line with its last band.
 */
export class KnownFlows {
  #config: QueueingConfig;
  /** By model. */
  readonly #lines = new Map<string, Line>();
  /** Who came last stays longest. */
  readonly #idle = new Set<Flow>();
  #size = 0;

  constructor(config: QueueingConfig) {
    this.#config = config;
  }

  /** Whether anything of them waits or runs or not. */
  get size(): number {
    return this.#size;
  }

  /** All that waits, in no order. */
  get entries(): Entry[] {
    return [...this.#lines.values()].flatMap((line) => line.entries);
  }

  /** How many packets run on the model. */
  runningOn(model: string): number {
    return this.#lines.get(model)?.running ?? 0;
  }

  /** The flow of that name, known from now on; the band by its place in the configuration. */
  at(model: string, bandIndex: number, name: string): Flow {
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
      this.#size++;
    }
    return flow;
  }

  /** False once it has been idle for too long, or its band is gone. */
  has(flow: Flow): boolean {
    const { line, name } = flow.band;
    return this.#lines.get(line.model)?.byName.get(name)?.byName.get(flow.name) === flow;
  }

  /** Something of it waits or runs from now on. */
  wake(flow: Flow): void {
    this.#idle.delete(flow);
  }

  /** Something of it has left; it may have been the last. */
  rest(flow: Flow): void {
    if (!flow.isIdle) return;
    this.#idle.delete(flow);
    this.#idle.add(flow);
  }

  /**
   * Gives all lines the bands, weights and policies of another configuration; flows of other bands are left to be
   * emptied, and `tidy` is to be called then. Returns whether flows share by another policy now, which has charged
   * nobody anything.
   */
  reshape(config: QueueingConfig, nowUs: Micros): boolean {
    const before = this.#config;
    this.#config = config;
    const hasOtherBands = !isSame(before.bandPolicy, config.bandPolicy);
    const hasOtherFairness = !isSame(before.fairness, config.fairness);
    for (const line of this.#lines.values()) {
      for (const [index, { name, weight }] of config.bands.entries()) {
        const band = line.byName.get(name);
        if (band !== undefined) Object.assign(band, { index, weight });
      }
      if (hasOtherBands) line.bands.replace(createPolicy(BANDS, config.bandPolicy), nowUs);
      for (const band of line.byName.values()) {
        for (const flow of band.byName.values()) flow.weight = lookUp(config.weights, flow.name, 1);
        if (hasOtherFairness) band.flows.replace(createPolicy(FAIRNESS, config.fairness), nowUs);
      }
    }
    return hasOtherFairness;
  }

  /** Bands that are no more are empty by now; flows that go by another name now are left to be forgotten. */
  tidy(): void {
    for (const line of this.#lines.values()) {
      for (const band of line.byName.values()) {
        if (this.#config.bands.some(({ name }) => name === band.name)) {
          for (const flow of band.byName.values()) if (!this.#idle.has(flow)) this.rest(flow);
          continue;
        }
        for (const flow of band.byName.values()) this.#idle.delete(flow);
        this.#size -= band.byName.size;
        line.byName.delete(band.name);
      }
    }
  }

  /** Makes room for one more flow: by that of the one that has been idle for longest. */
  #forget(): void {
    for (const flow of this.#idle) {
      if (this.#idle.size < IDLE_FLOWS_MAX) return;
      const { band } = flow;
      this.#idle.delete(flow);
      band.byName.delete(flow.name);
      this.#size--;
      if (band.byName.size === 0) band.line.byName.delete(band.name);
      if (band.line.byName.size === 0) this.#lines.delete(band.line.model);
    }
  }
}

function isSame(a: PolicyChoice, b: PolicyChoice): boolean {
  return a.name === b.name && JSON.stringify(a.parameters) === JSON.stringify(b.parameters);
}
