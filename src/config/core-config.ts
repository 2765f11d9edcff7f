import { randomInt } from "node:crypto";
import type { Price, PriceFrom } from "../core/budget/money.ts";
import type { CoreConfig } from "../core/config.ts";
import { MILLIS_PER_SECOND, seconds } from "../core/units.ts";
import type { PriceEntry } from "../prices/price-entry.ts";
import { toScheduling } from "./scheduling.ts";
import { type Config, CONCURRENCY_DEFAULT } from "./schema.ts";

const SEEDS = 2 ** 32;

/** The part of the configuration that decisions depend on, in the core's units. */
export function toCoreConfig(config: Config): CoreConfig {
  const { limits, timeouts, heartbeats } = config;
  return {
    models: maxTokensDefaults(config),
    aliases: config.aliases,
    remotes: config.remotes.map((remote) => ({
      name: remote.name,
      models: Object.keys(remote.models),
      concurrencyMax: remote.concurrency_max ?? CONCURRENCY_DEFAULT,
      contextTokens: remote.context_tokens,
      labels: remote.labels,
      ...(remote.gpus === 0 ? {} : { gpus: remote.gpus }),
    })),
    scheduling: toScheduling(config),
    seed: config.seed ?? randomInt(SEEDS),
    prices: Object.fromEntries(
      Object.entries(config.prices).map(([model, entries]) => [model, toCorePrices(entries)]),
    ),
    defaultPrice: config.default_price ?? null,
    packetTokens: config.budgets.packet_tokens,
    gpuPacketUs: seconds(config.budgets.gpu_packet_seconds),
    slices: toSliceLimits(config),
    limits: {
      workersMax: limits.workers_max,
      sessionsMax: limits.sessions_max,
      kvBytesMax: limits.kv_bytes_max,
      queuePacketsMax: limits.queue_packets_max,
      queueBytesMax: limits.queue_bytes_max,
      choicesMax: limits.choices_max,
    },
    timeouts: {
      queueUs: seconds(timeouts.queue),
      prefillUs: seconds(timeouts.prefill),
      stallUs: seconds(timeouts.stall),
      totalUs: seconds(timeouts.total),
      slowClientUs: seconds(timeouts.slow_client),
      drainUs: seconds(timeouts.drain),
    },
    heartbeats: {
      staleUs: seconds(heartbeats.stale),
      deadUs: seconds(heartbeats.dead),
      behindMs: heartbeats.behind * MILLIS_PER_SECOND,
      aheadMs: heartbeats.ahead * MILLIS_PER_SECOND,
    },
    retriesMax: limits.retries_max,
  };
}

export function toSliceLimits({ budgets: { slices } }: Config): CoreConfig["slices"] {
  return {
    openMax: slices.open_max,
    perPayerMax: slices.per_key_max,
    depthMax: slices.depth_max,
    ttlMaxUs: seconds(slices.ttl_max),
  };
}

function toCorePrices(entries: readonly PriceEntry[]): Price | PriceFrom[] {
  const [only] = entries;
  if (entries.length === 1 && only!.fromUs === 0) return only!.price;
  return entries.map(({ fromUs, price }) => ({ fromUs, price }));
}

/** What embedded workers and remotes answer at most when they are not told; a model of our own decides for both. */
function maxTokensDefaults({ models, remotes }: Config): CoreConfig["models"] {
  const remoteModels = remotes.flatMap((remote) =>
    Object.keys(remote.models).map((name) => [name, remote] as const),
  );
  // Of two entries with one name the last one stays.
  const all = [...remoteModels.toReversed(), ...Object.entries(models)];
  return Object.fromEntries(
    all.map(([name, { max_tokens_default }]) => [name, { maxTokensDefault: max_tokens_default }]),
  );
}
