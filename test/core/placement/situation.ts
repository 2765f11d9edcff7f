import {
  type HeartbeatReceived,
  type Hints,
  NO_HINTS,
  type RequestArrived,
} from "../../../src/core/events.ts";
import type { Endpoint } from "../../../src/core/fleet/endpoint.ts";
import { Fleet } from "../../../src/core/fleet/fleet.ts";
import { schedulingOf } from "../../../src/core/default-scheduling.ts";
import type { PlacementConfig } from "../../../src/core/config.ts";
import type { PlacementContext, ScorerDefinition } from "../../../src/core/placement/contracts.ts";
import { FILTERS, PICKERS, SCORERS } from "../../../src/core/placement/profile.ts";
import { type AttemptOutcome, Signals } from "../../../src/core/placement/signals/signals.ts";
import { type Catalogue, createPolicy, type Parameters } from "../../../src/core/policy.ts";
import { Random } from "../../../src/core/random.ts";
import type { Attempt, Packet } from "../../../src/core/request.ts";
import type { Micros } from "../../../src/core/units.ts";
import type { Slo } from "../../../src/core/vocabulary.ts";
import { attemptOn, coreConfig, heartbeat, plannedPacket } from "../fixtures.ts";

/** What a worker says of itself, as far as it differs from one that is idle, has room for everything and no labels. */
export type WorkerReport = Partial<Omit<HeartbeatReceived, "models">> & {
  slots?: number;
  contextTokens?: number;
};

const WIDE_LIMITS = { sessionsMax: 100, sessionKvBytesMax: 1_000_000, kvBytesMax: 1_000_000 };

/** A fleet with all that is learnt about it, for tests of what placement makes of it. Blocks have ten tokens. */
export class Situation {
  nowUs: Micros = 0;
  slo: Slo | null = null;
  readonly random = new Random(1);
  readonly fleet = new Fleet(coreConfig());
  readonly signals: Signals;

  readonly #scorers: Catalogue<ScorerDefinition>;

  constructor(config: Partial<PlacementConfig> = {}, { scorers = SCORERS } = {}) {
    this.#scorers = scorers;
    const { placement } = schedulingOf("sessions-kv");
    this.signals = new Signals({ ...placement, prefix: { blockTokens: 10, blocksMax: 1_000 }, ...config });
  }

  get context(): PlacementContext {
    const { nowUs, random, signals, slo } = this;
    return { nowUs, random, signals, slo };
  }

  /** All endpoints of model `m` that are up. */
  get endpoints(): readonly Endpoint[] {
    return this.fleet.available("m");
  }

  /** The worker reports, for the first time or again; returns its endpoint. */
  reports(id: string, { slots = 100, contextTokens = 100_000, ...changes }: WorkerReport = {}): Endpoint {
    const models = [{ model: "m", contextTokens, slots, kvBytesPerToken: 1 }];
    return this.hears({ ...heartbeat(id, this.nowUs), limits: WIDE_LIMITS, models, ...changes });
  }

  hears(report: HeartbeatReceived): Endpoint {
    this.fleet.heartbeat(this.nowUs, report);
    const worker = this.fleet.worker(report.worker)!;
    this.signals.reported(worker, report, this.nowUs);
    return worker.endpoints[0]!;
  }

  packet(hints: Partial<Hints> = {}, changes: Partial<RequestArrived> = {}): Packet {
    return plannedPacket({ promptTokensMax: 100, hints: { ...NO_HINTS, ...hints }, ...changes });
  }

  /** Dispatches the packet there. */
  sends(endpoint: Endpoint, packet: Packet = this.packet()): Attempt {
    const attempt = attemptOn(endpoint, packet);
    this.fleet.occupy(attempt);
    this.signals.dispatched(attempt, this.nowUs);
    return attempt;
  }

  /** The prompt has been read, so many tokens of it from the cache. */
  reads(attempt: Attempt, cached = 0): Attempt {
    attempt.prompt = { tokens: attempt.packet.request.arrival.promptTokensMax, cached };
    this.signals.started(attempt, this.nowUs);
    return attempt;
  }

  ends(attempt: Attempt, outcome: AttemptOutcome = "completed"): void {
    this.fleet.release(attempt);
    this.signals.ended(attempt, this.nowUs, outcome);
  }

  /** Scores of all endpoints, by worker. */
  scores(name: string, packet: Packet, parameters: Parameters = {}): Record<string, number> {
    const scores = new Float64Array(this.endpoints.length).fill(Number.NaN);
    createPolicy(this.#scorers, { name, parameters }).score(this.endpoints, packet, scores, this.context);
    return Object.fromEntries(this.endpoints.map(({ worker }, i) => [worker.id, scores[i]!]));
  }

  /** The worker picked by these total scores; all are 0 if none are given. */
  pick(name: string, packet: Packet, options: { totals?: number[]; parameters?: Parameters } = {}): string {
    const { totals = [], parameters = {} } = options;
    const picker = createPolicy(PICKERS, { name, parameters });
    const sums = Float64Array.from(this.endpoints, (_, i) => totals[i] ?? 0);
    return this.endpoints[picker.pick(this.endpoints, packet, sums, this.context)]!.worker.id;
  }

  /** A picker that is asked again and again: each call returns the index of an endpoint. */
  picker(name: string): () => number {
    const picker = createPolicy(PICKERS, { name, parameters: {} });
    return () => {
      const { endpoints } = this;
      return picker.pick(endpoints, this.packet(), new Float64Array(endpoints.length), this.context);
    };
  }

  /** The workers that are kept. */
  filter(name: string, packet: Packet, parameters: Parameters = {}): string[] {
    const filter = createPolicy(FILTERS, { name, parameters });
    return filter.filter(this.endpoints, packet, this.context).map(({ worker }) => worker.id);
  }
}
