import { NO_GPU } from "../src/core/budget/gpu-time.ts";
import { type HeartbeatReceived, type Hints, NO_HINTS } from "../src/core/events.ts";
import type { Endpoint } from "../src/core/fleet/endpoint.ts";
import { footprint } from "../src/core/placement/placement.ts";
import { type Attempt, newPacket, newRequest, type Packet } from "../src/core/request.ts";
import type { Micros } from "../src/core/units.ts";
import type { ServedModel } from "../src/core/vocabulary.ts";

// What parts of the core are given when they run without a supervisor.

/** The report of an idle worker without limits that serves one model, as far as `changes` don't say otherwise. */
export function heartbeatOf(
  worker: string,
  served: ServedModel,
  changes: Partial<HeartbeatReceived> = {},
): HeartbeatReceived {
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
    limits: { sessionsMax: served.slots, sessionKvBytesMax: 2 ** 50, kvBytesMax: 2 ** 50 },
    role: "both",
    labels: {},
    models: [served],
    sessions: 0,
    ownSessions: 0,
    kvBytes: 0,
    progress: null,
    cache: null,
    ...changes,
  };
}

/** A packet as the core has one when it is to be queued: of a request that is free, held to its end, and all that there is. */
export function packetOf(options: {
  id: string;
  tenant: string;
  model: string;
  promptTokens: number;
  maxTokens: number;
  hints?: Hints;
  nowUs: Micros;
}): Packet {
  const { id, tenant, model, promptTokens, maxTokens, hints = NO_HINTS, nowUs } = options;
  const request = newRequest({
    arrival: {
      kind: "request_arrived",
      request: id,
      tenant,
      key: null,
      model,
      promptTokensMax: promptTokens,
      bodyBytes: 1,
      maxTokens,
      choices: 1,
      budgetWaitUs: 0,
      streamed: true,
      hints,
    },
    model,
    price: { input: 0, cachedInput: 0, output: 0, request: 0 },
    nowUs,
  });
  const packet = newPacket(request, { choice: 0, choices: 1, maxTokens, isOnCredit: false });
  packet.heldTokens = maxTokens;
  return packet;
}

/** The packet's first attempt, which goes out now. */
export function attemptOn(endpoint: Endpoint, packet: Packet, nowUs: Micros): Attempt {
  return {
    id: `${packet.id}#1`,
    packet,
    endpoint,
    life: "",
    slots: 1,
    streams: [{ generatedTokens: 0, end: null }],
    creditTokens: packet.maxTokens,
    kvBytes: footprint(packet, endpoint).sessionKvBytes,
    prompt: null,
    hasStarted: false,
    dispatchedUs: nowUs,
    carriedTokens: 0,
    isPrefillOnly: false,
    generatedTokensMax: 0,
    isParking: false,
    isYielding: false,
    generatedTokens: 0,
    isShort: false,
    progressUs: nowUs,
    silence: null,
    gpu: { share: NO_GPU, next: null, creditGpuUs: 0, timer: null, shortage: null },
  };
}
