import { assert } from "../assert.ts";
import { ChurnMap } from "../churn.ts";
import type { QueueingConfig } from "../config.ts";
import type { Packet } from "../request.ts";
import type { Micros } from "../units.ts";
import { lookUp } from "./flow-of.ts";
import type { Entry, Flow } from "./line.ts";

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
 * The packets that run: how many of each flow, against its cap, and what flows are charged for them. The prompt is
 * charged at dispatch as long as it may be, and put right when it has been read, or given back when nothing came of it;
 * tokens of the answer as they are generated.
 */
export class Runs {
  #caps: QueueingConfig["caps"];
  readonly #runs = new ChurnMap<Packet, Run>();
  /** By flow, over all models and bands. */
  readonly #running = new Map<string, number>();

  constructor(caps: QueueingConfig["caps"]) {
    this.#caps = caps;
  }

  /** Null when it does not run. */
  flowOf(packet: Packet): Flow | null {
    return this.#runs.get(packet)?.entry.flow ?? null;
  }

  /** Whether the flow of that name runs fewer packets than its cap allows. */
  mayRun(flow: string): boolean {
    return (this.#running.get(flow) ?? 0) < lookUp(this.#caps, flow, Infinity);
  }

  begin(entry: Entry, nowUs: Micros): void {
    const { packet, flow, inputTokens } = entry;
    assert(!this.#runs.has(packet), `${packet.id} runs once`);
    // More may have been learnt of the flow while it waited.
    const expectedTokens = flow.expectedOutput(packet);
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

  /** Its flow learns from it what answers come to. */
  end(packet: Packet, nowUs: Micros): void {
    const run = this.#runs.get(packet);
    if (run === undefined) return;
    const { flow } = run.entry;
    this.#runs.delete(packet);
    this.#count(flow, -1);
    flow.expect(-remaining(run));
    if (run.generatedTokens > 0) flow.outputs.learn(run.generatedTokens);
    if (!run.hasUse) flow.charge({ input: -run.inputTokens, output: 0 }, nowUs);
  }

  /**
   * Goes on under other caps, and with the entries that `renew` puts in the place of those before. `isUncharged`: by a
   * policy that is new, and has not charged anything that could be put right later.
   */
  reconfigure(options: {
    caps: QueueingConfig["caps"];
    renew: (entry: Entry) => Entry;
    isUncharged: boolean;
  }): void {
    this.#caps = options.caps;
    for (const run of this.#runs.values()) {
      this.#count(run.entry.flow, -1);
      run.entry.flow.expect(-remaining(run));
      run.entry = options.renew(run.entry);
      if (options.isUncharged) run.inputTokens = 0;
      this.#count(run.entry.flow, 1);
      run.entry.flow.expect(remaining(run));
    }
  }

  #count(flow: Flow, by: 1 | -1): void {
    flow.running += by;
    flow.band.line.running += by;
    const running = (this.#running.get(flow.name) ?? 0) + by;
    if (running === 0) this.#running.delete(flow.name);
    else this.#running.set(flow.name, running);
  }
}

function remaining({ expectedTokens, generatedTokens }: Run): number {
  return Math.max(0, expectedTokens - generatedTokens);
}
