import type { HeartbeatReceived } from "../../../src/core/events.ts";
import type { CoreConfig } from "../../../src/core/config.ts";
import { Fleet } from "../../../src/core/fleet/fleet.ts";
import type { Endpoint } from "../../../src/core/fleet/endpoint.ts";
import { Placement } from "../../../src/core/placement/placing.ts";
import { Random } from "../../../src/core/random.ts";
import type { Attempt, Packet } from "../../../src/core/request.ts";
import type { Micros } from "../../../src/core/units.ts";
import { labConfig } from "../../../src/simulator/lab/lab-config.ts";
import { packetOf } from "./packet.ts";

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
      for (let i = 0; i < workers; i++) this.#fleet.heartbeat(0, heartbeat(`${model}-${i}`, model, slots));
    }
  }

  /** A small packet as the core has one when it asks for a place. */
  packet(options: { model: string; band: string | null; nowUs: Micros }): Packet {
    const tokens = { promptTokens: 1, maxTokens: MAX_TOKENS };
    return packetOf({ ...options, ...tokens, id: `r${this.#packets++}`, tenant: "tenant" });
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

function heartbeat(worker: string, model: string, slots: number): HeartbeatReceived {
  return {
    kind: "heartbeat_received",
    report: worker,
    worker,
    url: `http://${worker}.test`,
    epoch: "1",
    dialect: "headgate",
    timestampMs: 0,
    receivedMs: 0,
    draining: false,
    limits: { sessionsMax: slots, sessionKvBytesMax: 2 ** 40, kvBytesMax: 2 ** 50 },
    role: "both",
    labels: {},
    models: [{ model, contextTokens: 8_192, slots, kvBytesPerToken: 1 }],
    sessions: 0,
    ownSessions: 0,
    kvBytes: 0,
    progress: null,
    cache: null,
  };
}

function attemptOn(endpoint: Endpoint, packet: Packet, nowUs: Micros): Attempt {
  return {
    id: `${packet.id}#1`,
    packet,
    endpoint,
    life: "",
    slots: 1,
    streams: [{ generatedTokens: 0, end: null }],
    creditTokens: MAX_TOKENS,
    kvBytes: MAX_TOKENS,
    prompt: null,
    hasStarted: false,
    dispatchedUs: nowUs,
    carriedTokens: 0,
    isPrefillOnly: false,
    isParking: false,
    generatedTokens: 0,
    isShort: false,
    progressUs: nowUs,
    silence: null,
  };
}
