import { parseConfig } from "../../src/config/load.ts";
import { toCoreConfig } from "../../src/config/core-config.ts";
import type { HeartbeatReceived, RequestArrived } from "../../src/core/events.ts";
import type { Endpoint } from "../../src/core/fleet/endpoint.ts";
import { Fleet } from "../../src/core/fleet/fleet.ts";
import { place } from "../../src/core/placement/placement.ts";
import { PLACEMENT_POLICY_NAMES, placementPolicy } from "../../src/core/placement/registry.ts";
import { type Attempt, newPacket, newRequest, type Packet } from "../../src/core/request.ts";
import { figure, type Figure } from "../figures.ts";
import { interleave } from "../interleave.ts";
import type { Size } from "../sizes.ts";
import { rateOf } from "./rate.ts";

const MODEL = "bench";
const PROMPT_TOKENS = 200;
const MAX_TOKENS = 256;
const KV_BYTES_PER_TOKEN = 1_024;
const SLOTS = 8;
/** Half of the slots are busy, so that load differs from worker to worker and all are candidates. */
const BUSY_SLOTS = 4;

/** Placements a second, each on a fleet that the one before has changed. */
export async function placementFigures({ rounds, core }: Size): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const workers of core.workers) {
    const worlds = new Map(PLACEMENT_POLICY_NAMES.map((name) => [name, placer(name, workers)]));
    const measured = await interleave(rounds, PLACEMENT_POLICY_NAMES, async (name) =>
      rateOf(worlds.get(name)!, core.measureMs),
    );
    figures.push(figure({ what: `placement among ${workers} workers`, unit: "1/s", rounds: measured }));
  }
  return figures;
}

/** Places a packet and lets the one end that has run longest. */
function placer(policy: string, workers: number): () => void {
  const profile = placementPolicy(policy);
  const fleet = fleetOf(workers);
  const packet = onePacket();
  const running: Attempt[] = [];
  let next = 0;
  const placeOne = (): void => {
    const endpoint = place(packet, fleet.available(MODEL), profile);
    if (endpoint === null) throw new Error("the fleet is full");
    const previous = running[next];
    if (previous !== undefined) fleet.release(previous);
    const attempt = attemptOn(endpoint, packet);
    fleet.occupy(attempt);
    running[next] = attempt;
    next = (next + 1) % (workers * BUSY_SLOTS);
  };
  for (let i = 0; i < workers * BUSY_SLOTS; i++) placeOne();
  return placeOne;
}

function fleetOf(workers: number): Fleet {
  const text = `limits: { workers_max: ${workers}, sessions_max: ${workers * SLOTS} }`;
  const fleet = new Fleet(toCoreConfig(parseConfig(text, { path: "bench" })));
  for (let i = 0; i < workers; i++) fleet.heartbeat(0, heartbeat(`worker-${i}`));
  return fleet;
}

function heartbeat(worker: string): HeartbeatReceived {
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
    limits: { sessionsMax: 100, sessionKvBytesMax: 2 ** 29, kvBytesMax: 2 ** 33 },
    models: [{ model: MODEL, contextTokens: 8_192, slots: SLOTS, kvBytesPerToken: KV_BYTES_PER_TOKEN }],
    sessions: 0,
    ownSessions: 0,
    kvBytes: 0,
  };
}

function onePacket(): Packet {
  const arrival: RequestArrived = {
    kind: "request_arrived",
    request: "r1",
    tenant: "local",
    key: null,
    model: MODEL,
    promptTokensMax: PROMPT_TOKENS,
    bodyBytes: 1_024,
    maxTokens: MAX_TOKENS,
    choices: 1,
    budgetWaitUs: 0,
    streamed: true,
  };
  const price = { input: 0, cachedInput: 0, output: 0, request: 0 };
  const request = newRequest({ arrival, model: MODEL, price, nowUs: 0 });
  const packet = newPacket(request, { choice: 0, choices: 1, maxTokens: MAX_TOKENS, isOnCredit: false });
  packet.heldTokens = MAX_TOKENS;
  return packet;
}

function attemptOn(endpoint: Endpoint, packet: Packet): Attempt {
  return {
    id: "r1/0#1",
    packet,
    endpoint,
    slots: 1,
    streams: [{ generatedTokens: 0, end: null }],
    creditTokens: MAX_TOKENS,
    kvBytes: (PROMPT_TOKENS + MAX_TOKENS) * KV_BYTES_PER_TOKEN,
    prompt: null,
    generatedTokens: 0,
    isShort: false,
    progressUs: 0,
    silence: null,
  };
}
