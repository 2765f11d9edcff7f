import { z } from "zod";
import { gpusSchema } from "../config/gpus-schema.ts";
import type { HeartbeatReceived } from "../core/events.ts";
import { labelsSchema } from "../config/labels.ts";
import { ANY_MODEL, WORKER_ROLES } from "../core/vocabulary.ts";
import type { ServedModel } from "../core/vocabulary.ts";

/** A worker's report, without what is known only once it has arrived. */
export interface WorkerReport extends Omit<HeartbeatReceived, "kind" | "report" | "receivedMs"> {
  /** How many of its sessions each supervisor has sent it, by id; null when it does not say. */
  sessionsBy: Readonly<Record<string, number>> | null;
}

/** What is wrong with the time in a report, whether we or the core find it. */
export const TIMESTAMP_ERROR = "Stale or invalid timestamp";

const MIB = 1024 * 1024;
/** Of a worker that does not say: what it runs on, whatever that is. */
const GPUS_DEFAULT = 1;
const count = z.int().min(0);

const limitsSchema = z
  .object({ sessions_max: count, session_kv_bytes_max: count, kv_bytes_max: count })
  .default({ sessions_max: 100, session_kv_bytes_max: 512 * MIB, kv_bytes_max: 8_192 * MIB });

/** Blocks in one report: as many as 64 prompts have at most. */
const BLOCKS_MAX = 131_072;
const fingerprint = z.string().min(1).max(256).nullable().default(null);
/** Supervisors that have sessions on one worker. */
const SUPERVISORS_MAX = 1_000;
const sessionsBy = z
  .record(z.string().max(256), count)
  .refine(
    (counts) => Object.keys(counts).length <= SUPERVISORS_MAX,
    `more than ${SUPERVISORS_MAX} supervisors`,
  )
  .nullable()
  .default(null);
const blocks = z.array(z.int()).max(BLOCKS_MAX).default([]);

const modelSchema = z.object({
  model: z
    .string()
    .min(1)
    .max(256)
    .refine((name) => name !== ANY_MODEL, `"${ANY_MODEL}" is no model's name`),
  context_tokens: z.int().min(1),
  slots: z.int().min(1),
  gpus: gpusSchema.default(GPUS_DEFAULT),
  kv_bytes_per_token: z.number().min(0),
  model_hash: fingerprint,
  state_fingerprint: fingerprint,
});

const heartbeatSchema = z.object({
  worker_id: z.string().min(1).max(256),
  worker_url: z.url({ protocol: /^https?$/ }),
  timestamp: z.number(),
  health: z.object({ alive: z.boolean(), active_sessions: count, kv_cache_bytes: z.number().min(0) }),
  epoch: z.string().max(256).default(""),
  draining: z.boolean().default(false),
  own_sessions: count.nullable().default(null),
  sessions_by: sessionsBy,
  limits: limitsSchema,
  role: z.enum(WORKER_ROLES).default("both"),
  labels: labelsSchema.default({}),
  models: z.array(modelSchema).max(1_000).default([]),
  progress: count.nullable().default(null),
  cache: z.object({ sequence: count, stored: blocks, removed: blocks }).nullable().default(null),
});

/** Reads a report, or says what is wrong with it. */
export function readHeartbeat(document: unknown): WorkerReport | { error: string } {
  const result = heartbeatSchema.safeParse(document);
  if (!result.success) return { error: describe(result.error) };
  const { worker_id, worker_url, timestamp, health, own_sessions, limits, models } = result.data;
  const { epoch, role, labels, progress, cache } = result.data;
  const isForeign = isForeignReport(document as object);
  return {
    worker: worker_id,
    url: worker_url,
    dialect: isForeign ? "prefill_decode" : "headgate",
    epoch,
    timestampMs: timestamp,
    draining: result.data.draining || !health.alive,
    limits: {
      sessionsMax: limits.sessions_max,
      sessionKvBytesMax: limits.session_kv_bytes_max,
      kvBytesMax: limits.kv_bytes_max,
    },
    role,
    labels,
    models: isForeign ? [anyModel(limits.sessions_max)] : models.map(servedModel),
    sessions: health.active_sessions,
    ownSessions: own_sessions,
    sessionsBy: result.data.sessions_by,
    kvBytes: health.kv_cache_bytes,
    progress,
    cache,
  };
}

/** A worker that says nothing of its models, limits and lives has never heard of Headgate. */
function isForeignReport(document: object): boolean {
  return !("models" in document || "limits" in document || "epoch" in document);
}

/** Such a worker is sent any model's requests; how long they may be and what they cost it, only it knows. */
function anyModel(slots: number): ServedModel {
  return { model: ANY_MODEL, contextTokens: 131_072, slots, gpus: GPUS_DEFAULT, kvBytesPerToken: 0 };
}

function servedModel(served: z.infer<typeof modelSchema>): ServedModel {
  return {
    model: served.model,
    contextTokens: served.context_tokens,
    slots: served.slots,
    gpus: served.gpus,
    kvBytesPerToken: served.kv_bytes_per_token,
    modelHash: served.model_hash,
    stateFingerprint: served.state_fingerprint,
  };
}

function describe({ issues: [issue] }: z.ZodError): string {
  if (issue?.path[0] === "timestamp") return TIMESTAMP_ERROR;
  const path = issue?.path.join(".") ?? "";
  return path === "" ? `The report: ${issue?.message}` : `${path}: ${issue?.message}`;
}
