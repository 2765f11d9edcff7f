import { z } from "zod";
import { gpusSchema } from "./gpus-schema.ts";
import { CLOSED_MAX } from "../core/budget/slices.ts";
import { WORKER_ROLES } from "../core/vocabulary.ts";
import type { Prices } from "../prices/price-entry.ts";
import { labelsSchema } from "./labels.ts";
import { defaultPriceSchema, priceSchema } from "./price-schema.ts";
import type { Problem } from "./problem.ts";
import { schedulingProblems, type SignalSources } from "./scheduling-check.ts";
import { bytes, count, name, schedulingSchema, seconds } from "./scheduling-schema.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const WEBHOOKS_MAX = 16;

/** Requests in flight at one remote, unless it says. */
export const CONCURRENCY_DEFAULT = 256;
/** A model that an embedded worker loads. */
const model = z.strictObject({
  path: z
    .string()
    .min(1)
    .describe(
      "GGUF file, relative to the configuration file, or a hub address such as `hf:user/repo/file.gguf`",
    ),
  context_tokens: count
    .optional()
    .describe("tokens of prompt and answer together; what the file says if absent"),
  slots: count.optional().describe("generations that run at the same time on each worker"),
  gpus: gpusSchema
    .default(1)
    .describe(
      "GPUs of one worker that this model runs on, such as 2 or 0.5: its slots share them, and time on them is counted in `gpu_seconds`. A CPU that stands in for one is one; 0 counts nothing. It is a multiple of 0.001, at most 1000",
    ),
  max_tokens_default: count.default(256).describe("ceiling on generated tokens when a request names none"),
});

/** A process with an engine, started and restarted by `headgate up`. */
const worker = z.strictObject({
  id: name.describe("name in logs, metrics and errors"),
  models: z.array(name).min(1).describe("names under `models`"),
  port: z.number().int().min(0).max(65_535).default(0).describe("0 lets the system choose"),
  threads: count.optional().describe("CPU threads; measured at start if absent"),
  role: z
    .enum(WORKER_ROLES)
    .default("both")
    .describe("`prefill` reads prompts and hands their KV state over to `decode`"),
  labels: labelsSchema
    .prefault({})
    .describe("what it is, such as `{region: eu}`, for policies and `x-headgate-require`"),
});

/** Any OpenAI-compatible server. */
const remote = z.strictObject({
  name: name.describe("stands where a worker's id stands"),
  url: z.url({ protocol: /^https?$/ }).describe("base address, with `/v1` if the server has it"),
  api_key_env: z.string().min(1).optional().describe("environment variable that holds the key"),
  models: z.record(name, z.string().min(1)).describe("name that clients use: name that the server uses"),
  concurrency_max: count
    .optional()
    .describe(`requests in flight at the same time; ${CONCURRENCY_DEFAULT} if absent`),
  gpus: gpusSchema
    .default(0)
    .describe(
      "GPUs behind it, where they are your own: `concurrency_max` requests share them, and has to be given then. Time on other people's is not counted. It is a multiple of 0.001, at most 1000",
    ),
  context_tokens: count.default(131_072).describe("tokens of prompt and answer together"),
  max_tokens_default: count
    .default(4_096)
    .describe("ceiling on generated tokens when a chat completion names none; the first remote's counts"),
  max_tokens_name: z
    .enum(["max_tokens", "max_completion_tokens"])
    .optional()
    .describe("how that ceiling is sent; `max_completion_tokens` for api.openai.com, else `max_tokens`"),
  labels: labelsSchema.prefault({}).describe("as those of workers"),
});

/** Where alerts are sent. */
const webhook = z.strictObject({
  url: z.url({ protocol: /^https?$/ }).describe("address that alerts are posted to"),
  secret_env: z
    .string()
    .min(1)
    .describe("environment variable with the secret that signs them: `whsec_` and base64, or any text"),
  events: z
    .array(z.enum(["alert"]))
    .default(["alert"])
    .describe("what it is told; there are only alerts"),
});

/** The whole of `headgate.yaml`; sizes are in bytes and times in seconds. */
export const configSchema = z
  .strictObject({
    server: z
      .strictObject({
        host: z.string().min(1).default("127.0.0.1").describe("address to listen on"),
        port: z.number().int().min(0).max(65_535).default(1337).describe("0 lets the system choose"),
        body_bytes_max: bytes.default(10 * MIB).describe("largest request body"),
        connections_max: count.default(10_000).describe("client connections open at the same time"),
        keyless: z
          .enum(["loopback", "never", "anywhere"])
          .default("loopback")
          .describe(
            "who may call without a key, as tenant `local`, and look at the supervisor's pages; `never` behind a proxy on this machine",
          ),
      })
      .prefault({}),
    state: z
      .string()
      .min(1)
      .default(".headgate")
      .describe("folder of the ledger and the keys, relative to the configuration file; made if absent"),
    models: z.record(name, model).default({}),
    aliases: z.record(name, name).default({}).describe("other names for models; `default` is one"),
    prices: z.record(name, priceSchema).default({}),
    price_catalogue: z
      .string()
      .min(1)
      .optional()
      .describe("file with more `prices`, relative to the configuration file; those given here win"),
    default_price: defaultPriceSchema.optional(),
    budgets: z
      .strictObject({
        packet_tokens: count
          .max(65_536)
          .default(128)
          .describe(
            "generated tokens of each choice that are paid for at a time, where a worker can stop in between",
          ),
        gpu_packet_seconds: z
          .number()
          .min(0.1)
          .max(3_600)
          .default(10)
          .describe(
            "seconds of wall time for which GPU time is held at once for each place that an answer takes, where a limit counts `gpu_seconds`: at half a GPU for a place that is half as many GPU-seconds. No answer begins with less",
          ),
        slices: z
          .strictObject({
            open_max: count
              .max(CLOSED_MAX)
              .default(10_000)
              .describe("sub-accounts with a slice that are open at the same time"),
            per_key_max: count.default(1_000).describe("those below one key"),
            depth_max: count.max(16).default(4).describe("slices one inside the other"),
            ttl_max: seconds.default(86_400).describe("how long a slice may stay open"),
          })
          .prefault({}),
      })
      .prefault({}),
    webhooks: z.array(webhook).max(WEBHOOKS_MAX).default([]),
    workers: z.array(worker).default([]),
    remotes: z.array(remote).default([]),
    ...schedulingSchema.shape,
    seed: z
      .number()
      .int()
      .min(0)
      .max(2 ** 48)
      .optional()
      .describe("where random choices start; drawn at start if absent"),
    limits: z
      .strictObject({
        workers_max: count.default(1_000).describe("workers and remotes known at the same time"),
        sessions_max: count.default(1_000).describe("sessions on all workers together"),
        kv_bytes_max: bytes.default(64 * GIB).describe("KV cache on all workers together"),
        worker_sessions_max: count.default(100).describe("sessions on one embedded worker"),
        worker_session_kv_bytes_max: bytes.default(512 * MIB).describe("KV cache of one session"),
        worker_kv_bytes_max: bytes.default(8 * GIB).describe("KV cache of one embedded worker"),
        queue_packets_max: z.number().int().min(0).default(1_000).describe("packets waiting for a worker"),
        queue_bytes_max: bytes.default(256 * MIB).describe("bodies of the requests that wait"),
        choices_max: count.default(16).describe("largest `n`"),
        retries_max: z.number().int().min(0).default(2).describe("attempts after the first"),
      })
      .prefault({}),
    timeouts: z
      .strictObject({
        queue: seconds.default(30).describe("waiting for a worker"),
        prefill: seconds.default(60).describe("from dispatch to the first token"),
        stall: seconds.default(30).describe("between two tokens"),
        total: seconds.default(600).describe("from arrival to the last token"),
        slow_client: seconds.default(30).describe("a client that does not read"),
        drain: seconds.default(30).describe("running requests after a stop was asked for"),
        session: seconds.default(300).describe("KV cache of an idle session on a worker"),
      })
      .prefault({}),
    heartbeats: z
      .strictObject({
        interval: seconds.default(10).describe("between two reports of an embedded worker"),
        stale: seconds.default(30).describe("silence after which a worker gets no new work"),
        dead: seconds.default(60).describe("silence after which a worker is given up"),
        behind: seconds.default(30).describe("oldest report accepted"),
        ahead: seconds.default(5).describe("how far a worker's clock may be ahead"),
      })
      .prefault({}),
    log: z
      .strictObject({
        level: z.enum(["debug", "info", "warn", "error", "silent"]).default("info"),
      })
      .prefault({}),
  })
  .superRefine(checkReferences);

/** A configuration with all that its prices are made from: the catalogue, and measured throughput. */
export type Config = Omit<z.infer<typeof configSchema>, "prices"> & { prices: Prices };

/** What one field cannot know: that names refer to something, and limits fit together. */
function checkReferences(config: z.infer<typeof configSchema>, context: z.RefinementCtx): void {
  const report = (path: Problem["keys"], message: string): void => {
    context.addIssue({ code: "custom", path, message });
  };
  const remoteModels = config.remotes.flatMap(({ models }) => Object.keys(models));
  const known = new Set([...Object.keys(config.models), ...remoteModels]);
  const ids = new Set<string>();
  const ports = new Set([config.server.port]);
  for (const [i, { id, models, port }] of config.workers.entries()) {
    if (ids.has(id)) report(["workers", i, "id"], `"${id}" is used twice`);
    ids.add(id);
    if (port !== 0 && ports.has(port)) report(["workers", i, "port"], `port ${port} is taken by another`);
    ports.add(port);
    for (const [j, wanted] of models.entries()) {
      if (config.models[wanted] === undefined) {
        report(["workers", i, "models", j], `there is no "${wanted}" under models`);
      }
    }
  }
  for (const [i, { name: id, ...given }] of config.remotes.entries()) {
    if (given.gpus > 0 && given.concurrency_max === undefined) {
      report(
        ["remotes", i, "gpus"],
        "give concurrency_max, too: each request is charged its part of the GPUs",
      );
    }
    if (ids.has(id)) report(["remotes", i, "name"], `"${id}" is used twice`);
    ids.add(id);
  }
  for (const [alias, target] of Object.entries(config.aliases)) {
    if (known.has(alias)) report(["aliases", alias], `"${alias}" is a model's own name`);
    if (!known.has(target)) report(["aliases", alias], `there is no model "${target}"`);
  }
  for (const { keys, message } of schedulingProblems(config, signalSources(config))) report(keys, message);
  if (config.heartbeats.dead <= config.heartbeats.stale) {
    report(["heartbeats", "dead"], "must be longer than heartbeats.stale");
  }
  if (config.heartbeats.stale <= config.heartbeats.interval) {
    report(["heartbeats", "stale"], "must be longer than heartbeats.interval");
  }
}

/** What the policies can go by, as far as the configuration tells. */
export function signalSources({ workers, remotes }: Pick<Config, "workers" | "remotes">): SignalSources {
  return { workers: workers.length > 0, labels: workers.some(isLabelled) || remotes.some(isLabelled) };
}

function isLabelled({ labels }: { labels: object }): boolean {
  return Object.keys(labels).length > 0;
}
