import type { CoreConfig, PlacementConfig } from "../config.ts";
import type { HeartbeatReceived } from "../events.ts";
import type { Endpoint } from "../fleet/endpoint.ts";
import { takesCredit, type Worker } from "../fleet/worker.ts";
import type { Random } from "../random.ts";
import type { Attempt, Packet } from "../request.ts";
import type { Micros } from "../units.ts";
import type { BatchContext, PlacementContext } from "./contracts.ts";
import { candidatesFor, canTake, place } from "./placement.ts";
import { createProfile, type PlacementProfile } from "./profile.ts";
import { byRole, type RoleChoice } from "./roles.ts";
import { type AttemptOutcome, Signals } from "./signals/signals.ts";

/**
 * The stage that finds endpoints: the profile in use, perhaps another one beside it for a share of requests, and what has
 * been learnt, which both go by and which outlives them.
 */
export class Placement {
  #config: PlacementConfig;
  readonly #random: Random;
  readonly #signals: Signals;
  #profile: PlacementProfile;
  #canary: PlacementProfile | null;

  constructor({ scheduling }: Pick<CoreConfig, "scheduling">, random: Random) {
    this.#config = scheduling.placement;
    this.#random = random;
    this.#signals = new Signals(scheduling.placement);
    this.#profile = createProfile(this.#config.profile, this.#config);
    this.#canary = canaryOf(this.#config);
  }

  /** Other profiles from now on; requests under way keep theirs if it is still there. */
  reconfigure(config: PlacementConfig): void {
    this.#config = config;
    this.#profile = createProfile(config.profile, config);
    this.#canary = canaryOf(config);
  }

  /** The name of the profile that a new request goes by. */
  draw(): string {
    const { canary } = this.#config;
    return canary !== null && this.#random.chance(canary.share) ? canary.profile : this.#config.profile;
  }

  /** The best of the endpoints that have room for the packet now; null when none has. */
  place(packet: Packet, endpoints: readonly Endpoint[], nowUs: Micros): Endpoint | null {
    const profile = this.#isCanary(packet) ? this.#canary! : this.#profile;
    const context = this.#contextOf(packet, nowUs);
    const { first, otherwise } = this.#byRole(packet, endpoints, nowUs);
    return place(packet, first, profile, context) ?? place(packet, otherwise, profile, context);
  }

  /** Whether what waits is placed together. */
  get placesBatches(): boolean {
    return this.#profile.batchPlacer !== null;
  }

  /** Endpoints for packets; one that has to wait, or goes by another profile, has none. Together they fit. */
  placeBatch(
    packets: readonly Packet[],
    endpoints: readonly Endpoint[],
    nowUs: Micros,
  ): ReadonlyMap<Packet, Endpoint> {
    const places = new Map<Packet, Endpoint>();
    const { batchPlacer } = this.#profile;
    const batch = packets.filter((packet) => !this.#isCanary(packet));
    if (batchPlacer === null || batch.length === 0) return places;
    const mayTake = this.#filtered(endpoints, nowUs);
    const context = { nowUs, random: this.#random, signals: this.#signals, slo: this.#config.slo, mayTake };
    for (const [k, index] of batchPlacer.assign(batch, endpoints, context).entries()) {
      if (index >= 0) places.set(batch[k]!, endpoints[index]!);
    }
    return places;
  }

  /** What may go where; found for each packet once, and not at all where there is nothing to find. */
  #filtered(endpoints: readonly Endpoint[], nowUs: Micros): BatchContext["mayTake"] {
    const isPlain =
      this.#profile.filters.length === 0 && endpoints.every(({ worker }) => worker.role === "both");
    if (isPlain) return canTake;
    const candidates = new Map<Packet, ReadonlySet<Endpoint>>();
    return (endpoint, packet) => {
      let own = candidates.get(packet);
      if (own === undefined)
        candidates.set(packet, (own = new Set(this.#candidatesFor(packet, endpoints, nowUs))));
      return own.has(endpoint);
    };
  }

  #candidatesFor(packet: Packet, endpoints: readonly Endpoint[], nowUs: Micros): readonly Endpoint[] {
    const context = this.#contextOf(packet, nowUs);
    const { first, otherwise } = this.#byRole(packet, endpoints, nowUs);
    const candidates = candidatesFor(packet, first, this.#profile, context);
    return candidates.length > 0 ? candidates : candidatesFor(packet, otherwise, this.#profile, context);
  }

  #isCanary({ request }: Packet): boolean {
    return this.#canary?.name === request.profile;
  }

  #contextOf({ request }: Packet, nowUs: Micros): PlacementContext {
    const slo = request.arrival.hints.slo ?? this.#config.slo;
    return { nowUs, random: this.#random, signals: this.#signals, slo };
  }

  #byRole(packet: Packet, endpoints: readonly Endpoint[], nowUs: Micros): RoleChoice {
    return byRole(endpoints, packet, (decoders) => this.#isLong(packet, decoders, nowUs));
  }

  /** Whether the endpoint is to read the prompt and leave the answer to others. */
  isPrefillOnly(packet: Packet, endpoint: Endpoint, endpoints: readonly Endpoint[]): boolean {
    const { worker: reader, modelHash: hash = null } = endpoint;
    const canHandOver = reader.role === "prefill" && takesCredit(reader);
    if (!canHandOver || packet.carried !== null || packet.choices > 1) return false;
    return endpoints.some(({ worker, modelHash = null }) => {
      return worker.role !== "prefill" && takesCredit(worker) && modelHash === hash;
    });
  }

  /** Whether even the worker that has most of the prompt in its cache would have much of it to read. */
  #isLong(packet: Packet, decoders: readonly Endpoint[], nowUs: Micros): boolean {
    const { splitTokensMin } = this.#config;
    return (
      decoders.length > 0 &&
      decoders.every((endpoint) => {
        return this.#signals.uncachedTokens(endpoint, packet, nowUs) >= splitTokensMin;
      })
    );
  }

  // ── what is learnt ─────────────────────────────────────────────────────────────────────

  dispatched(attempt: Attempt, nowUs: Micros): void {
    this.#signals.dispatched(attempt, nowUs);
  }

  started(attempt: Attempt, nowUs: Micros): void {
    this.#signals.started(attempt, nowUs);
  }

  generated(attempt: Attempt, tokens: number, nowUs: Micros): void {
    this.#signals.generated(attempt, tokens, nowUs);
  }

  ended(attempt: Attempt, nowUs: Micros, outcome: AttemptOutcome): void {
    this.#signals.ended(attempt, nowUs, outcome);
  }

  reported(worker: Worker, report: HeartbeatReceived, nowUs: Micros): void {
    this.#signals.reported(worker, report, nowUs);
  }

  forgot(worker: Worker): void {
    this.#signals.forgot(worker);
  }
}

function canaryOf(config: PlacementConfig): PlacementProfile | null {
  return config.canary === null ? null : createProfile(config.canary.profile, config);
}
