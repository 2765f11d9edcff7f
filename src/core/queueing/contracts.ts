import type { PolicyDefinition } from "../policy.ts";
import type { Packet } from "../request.ts";
import type { Micros } from "../units.ts";

/** A packet as ordering sees it. */
export interface Item {
  readonly packet: Packet;
  /** Counts up with every packet that joins the queue. One that comes back has a number below those of all fresh ones. */
  readonly sequence: number;
  readonly arrivedUs: Micros;
  /** When its first token is hoped for; when its time to wait is over where nobody hopes for anything. */
  readonly dueUs: Micros;
  readonly inputTokens: number;
  /** What answers of its flow have come to on average, at most its ceiling: the true length is nobody's to know. */
  readonly outputTokens: number;
  /** Against others of its flow: the configured weight of its key. */
  readonly weight: number;
}

/** Tokens that have been read or generated for somebody. Read ones are charged at dispatch, and put right later. */
export interface Service {
  readonly input: number;
  readonly output: number;
}

/** One of those who share a model: a band among bands, or a flow among the flows of its band. */
export interface Contender {
  readonly name: string;
  /** Bands: place in the configuration, the most urgent has 0. Flows: 0. */
  readonly index: number;
  readonly weight: number;
  /** Packets of it that wait. */
  readonly waiting: number;
  /** What its running packets are still expected to generate: by their flows' mean answers. */
  readonly outstandingTokens: number;
  /** What it would be served with next. */
  readonly next: Item | null;
}

/**
 * Shares a model among contenders: bands, or the flows of one band. There is one instance for each set of contenders,
 * and it keeps what it has to know of them in a `WeakMap`: whoever is forgotten by the queue begins anew.
 */
export interface Sharing {
  /**
   * Asked of contenders that could be served now. The lowest goes first; of equals whoever has waited for longest.
   * That one is served must not change the rank of another, so that not everybody is asked again each time.
   */
  rank(contender: Contender, nowUs: Micros): number;
  /** Packets of it wait from now on. */
  joined?(contender: Contender, nowUs: Micros): void;
  /** None of its packets waits any more; some may run. */
  left?(contender: Contender, nowUs: Micros): void;
  /** A packet of it has been sent to an endpoint. */
  dispatched?(contender: Contender, item: Item, nowUs: Micros): void;
  /** It has had service. Negative where too much was charged. */
  charged?(contender: Contender, service: Service, nowUs: Micros): void;
}

/** Orders the packets of one flow. */
export interface Ordering {
  /** Asked once, when the packet joins. The lowest goes first; of equals the one that came first. */
  rank(item: Item): number;
}

export type BandsDefinition = PolicyDefinition<"bands", Sharing>;
export type FairnessDefinition = PolicyDefinition<"fairness", Sharing>;
export type OrderingDefinition = PolicyDefinition<"ordering", Ordering>;
