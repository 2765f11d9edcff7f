import { Accounts, EMPTY_LEDGER, type TrackedWindow } from "../../src/core/budget/accounts.ts";
import { NO_GPU } from "../../src/core/budget/gpu-time.ts";
import type { Known } from "../../src/core/budget/limited-accounts.ts";
import type { Price } from "../../src/core/budget/money.ts";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import type { CoreConfig } from "../../src/core/config.ts";
import { type HeartbeatReceived, NO_HINTS, type RequestArrived } from "../../src/core/events.ts";
import { schedulingOf } from "../../src/core/default-scheduling.ts";
import type { Endpoint } from "../../src/core/fleet/endpoint.ts";
import { lifeOf } from "../../src/core/dispatching/carrying.ts";
import { footprint } from "../../src/core/placement/placement.ts";
import { type Attempt, newPacket, newRequest, type Packet } from "../../src/core/request.ts";
import { MICROS_PER_MILLI, type Micros, seconds } from "../../src/core/units.ts";

/** Where the virtual worlds of these tests begin, in ms since the Unix epoch. */
const EPOCH_MS = Date.UTC(2026, 0, 1);

/** Limits that stand in nobody's way, a price of 1 and 2 nano-USD for a token of prompt and answer, and timeouts short enough to be seen before a worker goes stale. */
export function coreConfig(): CoreConfig {
  return {
    models: { m: { maxTokensDefault: 16 } },
    aliases: { default: "m" },
    remotes: [],
    scheduling: schedulingOf("sessions-kv"),
    seed: 1,
    prices: { m: { input: 1_000_000, cachedInput: 500_000, output: 2_000_000, request: 0 } },
    defaultPrice: { input: 1_000_000, cachedInput: 1_000_000, output: 1_000_000, request: 0 },
    packetTokens: 16,
    gpuPacketUs: seconds(10),
    slices: { openMax: 4, perPayerMax: 3, depthMax: 2, ttlMaxUs: seconds(3600) },
    limits: {
      workersMax: 1_000,
      sessionsMax: 1_000,
      kvBytesMax: 1_000_000,
      queuePacketsMax: 100,
      queueBytesMax: 100_000,
      choicesMax: 8,
    },
    timeouts: {
      queueUs: seconds(5),
      prefillUs: seconds(10),
      stallUs: seconds(4),
      totalUs: seconds(25),
      slowClientUs: seconds(3),
      drainUs: seconds(15),
    },
    heartbeats: { staleUs: seconds(30), deadUs: seconds(60), behindMs: 30_000, aheadMs: 5_000 },
    retriesMax: 2,
  };
}

/** The first report of an idle worker with two slots for model `m`. */
export function heartbeat(worker: string, nowUs: Micros): HeartbeatReceived {
  const nowMs = EPOCH_MS + Math.floor(nowUs / MICROS_PER_MILLI);
  return {
    kind: "heartbeat_received",
    report: `${worker}@${nowUs}`,
    worker,
    url: `http://${worker}.test`,
    dialect: "headgate",
    epoch: "1",
    timestampMs: nowMs,
    receivedMs: nowMs,
    draining: false,
    limits: { sessionsMax: 100, sessionKvBytesMax: 10_000, kvBytesMax: 100_000 },
    role: "both",
    labels: {},
    models: [{ model: "m", contextTokens: 100, slots: 2, kvBytesPerToken: 1 }],
    sessions: 0,
    ownSessions: null,
    kvBytes: 0,
    progress: null,
    cache: null,
  };
}

/** A buffered request for one short answer of model `m`. */
export function requestArrived(request: string): RequestArrived {
  return {
    kind: "request_arrived",
    request,
    tenant: "local",
    key: null,
    model: "m",
    promptTokensMax: 10,
    bodyBytes: 100,
    maxTokens: 8,
    choices: 1,
    budgetWaitUs: 0,
    streamed: false,
    hints: NO_HINTS,
  };
}

/** A packet that has been planned, and nothing more. */
export function plannedPacket(changes: Partial<RequestArrived>): Packet {
  const arrival = { ...requestArrived("r1"), ...changes };
  const { model, maxTokens } = arrival;
  const price = coreConfig().prices["m"] as Price;
  const request = newRequest({ arrival, model, price, nowUs: 0 });
  const packet = newPacket(request, { choice: 0, choices: 1, maxTokens: maxTokens ?? 16, isOnCredit: true });
  packet.heldTokens = packet.maxTokens;
  request.packets.push(packet);
  return packet;
}

/** An attempt as it is at its dispatch. */
export function attemptOn(endpoint: Endpoint, packet: Packet): Attempt {
  return {
    id: `${packet.id}#${++packet.attempts}`,
    packet,
    endpoint,
    life: lifeOf(endpoint),
    slots: 1,
    streams: [{ generatedTokens: 0, end: null }],
    creditTokens: packet.maxTokens,
    kvBytes: footprint(packet, endpoint).sessionKvBytes,
    prompt: null,
    hasStarted: false,
    dispatchedUs: 0,
    carriedTokens: 0,
    isPrefillOnly: false,
    generatedTokensMax: 0,
    isParking: false,
    isYielding: false,
    generatedTokens: 0,
    isShort: false,
    progressUs: 0,
    silence: null,
    gpu: { share: NO_GPU, next: null, creditGpuUs: 0, timer: null, shortage: null },
  };
}

/** What somebody who has read all those entries tells of the limit's window. */
export function knownOf({ account, window }: TrackedWindow, entries: readonly LedgerEntry[]): Known {
  const tracked = window === "total" ? [] : [{ account, window }];
  const accounts = new Accounts({ ...EMPTY_LEDGER, tracked });
  for (const entry of entries) accounts.apply(entry);
  const used = accounts.rowsOf(account).filter((row) => row.window === window);
  return { zones: [], used, through: accounts.sequence };
}
