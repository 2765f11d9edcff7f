import type { CoreConfig } from "../../../src/core/config.ts";
import { NO_HINTS } from "../../../src/core/events.ts";
import { Fleet } from "../../../src/core/fleet/fleet.ts";
import type { Endpoint } from "../../../src/core/fleet/endpoint.ts";
import { Placement } from "../../../src/core/placement/placing.ts";
import { Random } from "../../../src/core/random.ts";
import type { Attempt, Packet } from "../../../src/core/request.ts";
import type { Micros } from "../../../src/core/units.ts";
import { labConfig } from "../../../src/simulator/lab/lab-config.ts";
import { attemptOn, heartbeatOf, packetOf } from "../../core-inputs.ts";

const MAX_TOKENS = 16;

/** The core's fleet and placement with workers of so many slots, whose load is known from what was dispatched. */
export class CoreFleet {
  readonly config: CoreConfig;
  readonly #fleet: Fleet;
  readonly #placement: Placement;
  readonly #attempts = new Map<Packet, Attempt>();
  #packets = 0;

  constructor(options: {
    profile: string;
    models: readonly string[];
    workers: number;
    slots: number;
    seed: number;
  }) {
    const { profile, models, workers, slots, seed } = options;
    const config = labConfig();
    const placement = { ...config.scheduling.placement, profile };
    this.config = { ...config, scheduling: { ...config.scheduling, placement } };
    this.#fleet = new Fleet(this.config);
    this.#placement = new Placement(this.config, new Random(seed));
    for (const model of models) {
      const served = { model, contextTokens: 8_192, slots, kvBytesPerToken: 1 };
      for (let i = 0; i < workers; i++) this.#fleet.heartbeat(0, heartbeatOf(`${model}-${i}`, served));
    }
  }

  /** A small packet as the core has one when it asks for a place. */
  packet(options: { model: string; band: string | null; nowUs: Micros }): Packet {
    const { model, band, nowUs } = options;
    return packetOf({
      id: `r${this.#packets++}`,
      tenant: "tenant",
      model,
      promptTokens: 1,
      maxTokens: MAX_TOKENS,
      hints: { ...NO_HINTS, priority: band },
      nowUs,
    });
  }

  /** Places the packet and counts it on its endpoint; null when none has room. */
  dispatch(packet: Packet, nowUs: Micros): Endpoint | null {
    const endpoint = this.#placement.place(packet, this.#fleet.available(packet.request.model), nowUs);
    if (endpoint === null) return null;
    const attempt = attemptOn(endpoint, packet, nowUs);
    this.#attempts.set(packet, attempt);
    this.#fleet.occupy(attempt);
    this.#placement.dispatched(attempt, nowUs);
    return endpoint;
  }

  release(packet: Packet, nowUs: Micros): void {
    const attempt = this.#attempts.get(packet)!;
    this.#attempts.delete(packet);
    this.#fleet.release(attempt);
    this.#placement.ended(attempt, nowUs, "completed");
  }
}
