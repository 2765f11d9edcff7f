import type { CoreConfig, PlacementConfig } from "../config.ts";
import type { HeartbeatReceived } from "../events.ts";
import type { Endpoint } from "../fleet/endpoint.ts";
import { takesCredit, type Worker } from "../fleet/worker.ts";
import type { Random } from "../random.ts";
import type { Attempt, Packet } from "../request.ts";
import type { Micros } from "../units.ts";
import type { PlacementContext } from "./contracts.ts";
import { place } from "./placement.ts";
import { createProfile, type PlacementProfile } from "./profile.ts";
import { byRole } from "./roles.ts";
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
    const profile = this.#canary?.name === packet.request.profile ? this.#canary : this.#profile;
    const context: PlacementContext = {
      nowUs,
      random: this.#random,
      signals: this.#signals,
      slo: packet.request.arrival.hints.slo ?? this.#config.slo,
    };
    const { first, otherwise } = byRole(endpoints, packet, (decoders) =>
      this.#isLong(packet, decoders, nowUs),
    );
    return place(packet, first, profile, context) ?? place(packet, otherwise, profile, context);
  }

  /** Whether what waits is placed together. */
  get placesBatches(): boolean {
    return this.#profile.batchPlacer !== null;
  }

  /** An endpoint for each packet, or null for one that has to wait. Together they fit. */
  placeBatch(packets: readonly Packet[], endpoints: readonly Endpoint[], nowUs: Micros): (Endpoint | null)[] {
    const { batchPlacer } = this.#profile;
    if (batchPlacer === null || packets.length === 0) return packets.map(() => null);
    const context = { nowUs, random: this.#random, signals: this.#signals, slo: this.#config.slo };
    return Array.from(batchPlacer.assign(packets, endpoints, context), (index) => endpoints[index] ?? null);
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
