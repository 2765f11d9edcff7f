import type { QueueingConfig } from "../config.ts";
import { createPolicy } from "../policy.ts";
import type { Packet } from "../request.ts";
import type { Micros } from "../units.ts";
import type { Slo } from "../vocabulary.ts";
import { ORDERING } from "./catalogues.ts";
import type { Ordering } from "./contracts.ts";
import { bandOf, flowOf, keyOf, laneOf, lookUp } from "./flow-of.ts";
import type { KnownFlows } from "./known-flows.ts";
import type { Entry } from "./line.ts";

/** What the sequence numbers of packets that come back are below those of fresh ones. */
const AGAIN = 2 ** 52;

/**
 * The entry of each packet: in which flow it stands, and where among the flow's others. A packet has one from when it
 * joins the queue until its run has ended. A change of configuration puts another in its place; what comes back after
 * an attempt begins anew, before all fresh ones.
 */
export class Entries {
  readonly #flows: KnownFlows;
  readonly #entries = new WeakMap<Packet, Entry>();
  #config: QueueingConfig;
  #slo: Slo | null;
  #ordering: Ordering;
  #sequence = 0;

  /** `slo`: see `QueueLimits`. */
  constructor(options: { config: QueueingConfig; slo: Slo | null; flows: KnownFlows }) {
    this.#flows = options.flows;
    this.#config = options.config;
    this.#slo = options.slo;
    this.#ordering = createPolicy(ORDERING, options.config.ordering);
  }

  /** From now on entries are made by another configuration; those that there are stay until `renew`. */
  reconfigure(config: QueueingConfig, slo: Slo | null): void {
    this.#config = config;
    this.#slo = slo;
    this.#ordering = createPolicy(ORDERING, config.ordering);
  }

  get(packet: Packet): Entry | undefined {
    return this.#entries.get(packet);
  }

  /** For a packet that joins now. */
  add(packet: Packet, nowUs: Micros): Entry {
    this.#sequence++;
    const sequence = packet.attempts > 0 ? this.#sequence - AGAIN : this.#sequence;
    return this.#make(packet, { sequence, sinceUs: nowUs, overtaken: 0 });
  }

  /** In the place of another: what its packet has been through counts on. */
  renew(entry: Entry): Entry {
    return this.#make(entry.packet, entry);
  }

  delete(packet: Packet): void {
    this.#entries.delete(packet);
  }

  #make(
    packet: Packet,
    past: Pick<Entry, "sequence" | "sinceUs" | "overtaken"> & { readonly outputTokens?: number },
  ): Entry {
    const { request, attempts } = packet;
    const { arrival, arrivedUs, model } = request;
    const { hints, tenant, key } = arrival;
    const flow = this.#flows.at(model, bandOf(hints, this.#config), flowOf(arrival, this.#config.flowBy));
    const slo = hints.slo ?? this.#slo;
    const entry = {
      packet,
      sequence: past.sequence,
      arrivedUs,
      dueUs: slo === null ? (request.deadline?.atUs ?? Infinity) : arrivedUs + slo.ttftUs,
      inputTokens: arrival.promptTokensMax,
      outputTokens: past.outputTokens ?? flow.expectedOutput(packet),
      weight: lookUp(this.#config.weights, keyOf(tenant, key), 1),
      flow,
      rank: 0,
      isAgain: attempts > 0,
      sinceUs: past.sinceUs,
      lane: laneOf(hints.labels),
      overtaken: past.overtaken,
    };
    entry.rank = this.#ordering.rank(entry);
    this.#entries.set(packet, entry);
    return entry;
  }
}
