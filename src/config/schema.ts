import { z } from "zod";
import { NANO_PER_USD, parseUsd, type Price } from "../core/budget/money.ts";
import { WORKER_ROLES } from "../core/vocabulary.ts";
import { labelsSchema } from "./labels.ts";
import type { Problem } from "./problem.ts";
import { schedulingProblems, type SignalSources } from "./scheduling-check.ts";
import { bytes, count, name, schedulingSchema, seconds } from "./scheduling-schema.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

/** Decimal digits that a YAML number keeps. */
const NUMBER_DIGITS_MAX = 15;
const NANO_USD_MAX = 1_000_000n * NANO_PER_USD;

/** USD as a decimal, exact to the nano-USD: a number, or text where a number would be rounded. */
const usd = z
  .union([z.number(), z.string()], "give USD as a decimal, such as 0.15")
  .transform((given, context) => {
    const text = String(given);
    const nanoUsd = parseUsd(text);
    const isExact = typeof given === "string" || significantDigits(text) <= NUMBER_DIGITS_MAX;
    if (nanoUsd !== null && nanoUsd <= NANO_USD_MAX && isExact) return Number(nanoUsd);
    const problem = isExact
      ? "give USD as a decimal, such as 0.15, at most a million and with at most 9 digits after the point"
      : "a number this long is rounded: write it in quotes";
    context.addIssue({ code: "custom", message: problem });
    return z.NEVER;
  });

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
  concurrency_max: count.default(256).describe("requests in flight at the same time"),
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

/** What a model costs, in nano-USD for a million tokens and for each request. */
const price = z
  .strictObject({
    input: usd.describe("USD for a million tokens of prompt, such as `0.15`"),
    output: usd.describe("USD for a million generated tokens"),
    cached_input: usd
      .optional()
      .describe("USD for a million tokens of prompt found in a cache; as `input` if absent"),
    request: usd.prefault(0).describe("USD for each request, whatever its length"),
  })
  .superRefine((given, context) => {
    if (given.cached_input === undefined || given.cached_input <= given.input) return;
    context.addIssue({ code: "custom", path: ["cached_input"], message: "must not be above input" });
  })
  .transform(({ input, output, cached_input: cachedInput = input, request }): Price => {
    return { input, cachedInput, output, request };
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
    prices: z.record(name, price).default({}),
    default_price: price.optional(),
    budgets: z
      .strictObject({
        packet_tokens: count
          .max(65_536)
          .default(128)
          .describe(
            "generated tokens of each choice that are paid for at a time, where a worker can stop in between",
          ),
      })
      .prefault({}),
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

export type Config = z.infer<typeof configSchema>;

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
  for (const [i, { name: id }] of config.remotes.entries()) {
    if (ids.has(id)) report(["remotes", i, "name"], `"${id}" is used twice`);
    ids.add(id);
  }
  for (const [alias, target] of Object.entries(config.aliases)) {
    if (known.has(alias)) report(["aliases", alias], `"${alias}" is a model's own name`);
    if (!known.has(target)) report(["aliases", alias], `there is no model "${target}"`);
  }
  if (config.default_price === undefined) reportUnpriced(config, report);
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

/** A model that costs nothing because nobody said what it costs would be free in silence. */
function reportUnpriced(
  { models, remotes, prices }: z.infer<typeof configSchema>,
  report: (path: (string | number)[], message: string) => void,
): void {
  const check = (served: string, path: (string | number)[]): void => {
    if (Object.hasOwn(prices, served)) return;
    report(path, `it has no price: add prices.${served}, or a default_price`);
  };
  for (const served of Object.keys(models)) check(served, ["models", served]);
  for (const [i, { models: named }] of remotes.entries()) {
    for (const served of Object.keys(named)) check(served, ["remotes", i, "models", served]);
  }
}

function significantDigits(number: string): number {
  return number.replace(/e.*$/i, "").replace(/\D/g, "").replace(/^0+/, "").length;
}
