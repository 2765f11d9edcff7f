import type {
  PlacementConfig,
  ProfileConfig,
  QueueingConfig,
  Rate,
  Scheduling,
  TailConfig,
} from "../core/config.ts";
import type { PolicyChoice } from "../core/policy.ts";
import { seconds } from "../core/units.ts";
import type { PolicySetting, SchedulingSettings } from "./scheduling-schema.ts";

/** The settings that decide how requests are scheduled, in the core's words and units. */
export function toScheduling({ placement, queue, admission, tail }: SchedulingSettings): Scheduling {
  return {
    placement: toPlacement(placement),
    queueing: toQueueing(queue),
    admission: {
      saturation: toChoice(admission.saturation),
      shedding: toChoice(admission.shedding),
      rates: mapValues(admission.rates, toRate),
      // Tenants and keys can't be mistaken for each other: only a key's name has a stroke.
      payerRates: mapValues({ ...admission.tenant_rates, ...admission.key_rates }, toRate),
    },
    tail: toTail(tail),
  };
}

function toRate({ per_second: perSecond, burst }: { per_second: number; burst: number }): Rate {
  return { perSecond, burst };
}

/** A policy with the parameters that were given; those that were not have their defaults later. */
export function toChoice(setting: PolicySetting): PolicyChoice {
  if (typeof setting === "string") return { name: setting, parameters: {} };
  const { name, ...parameters } = setting;
  return { name, parameters };
}

function toPlacement(placement: SchedulingSettings["placement"]): PlacementConfig {
  const { policy, profiles, canary, prefix, signals, slo } = placement;
  return {
    profile: policy,
    profiles: mapValues(profiles, toProfile),
    canary: canary === "off" ? null : canary,
    prefix: { blockTokens: prefix.block_tokens, blocksMax: prefix.blocks_max },
    signals: {
      trustUs: seconds(signals.trust),
      sessionsMax: signals.sessions_max,
      sessionTtlUs: seconds(signals.session_ttl),
    },
    splitTokensMin: placement.split_tokens_min,
    slo: slo === "off" ? null : { ttftUs: seconds(slo.ttft), tpotUs: seconds(slo.tpot) },
  };
}

type ProfileSettings = SchedulingSettings["placement"]["profiles"][string];

export function toProfile({ filters, scorers, picker, batch }: ProfileSettings): ProfileConfig {
  return {
    filters: filters.map(toChoice),
    scorers: scorers.map(toWeighted),
    picker: toChoice(picker),
    ...(batch === undefined ? {} : { batch: toChoice(batch) }),
  };
}

function toWeighted(setting: ProfileSettings["scorers"][number]): PolicyChoice & { weight: number } {
  const { name, weight, ...parameters } =
    typeof setting === "string" ? { name: setting, weight: 1 } : setting;
  return { name, weight, parameters };
}

function toQueueing(queue: SchedulingSettings["queue"]): QueueingConfig {
  // Tenants and keys can't be mistaken for each other: only a key's name has a stroke.
  const flows = Object.entries({ ...queue.tenants, ...queue.keys });
  return {
    bands: queue.bands.map(({ name, weight, packets_max, bytes_max, ttl, sheddable, preempts }) => ({
      name,
      weight,
      packetsMax: packets_max ?? null,
      bytesMax: bytes_max ?? null,
      ttlUs: ttl === undefined ? null : seconds(ttl),
      isSheddable: sheddable,
      preempts,
    })),
    bandPolicy: toChoice(queue.band_policy),
    fairness: toChoice(queue.fairness),
    ordering: toChoice(queue.ordering),
    batching: queue.batching === "off" ? null : toChoice(queue.batching),
    flowBy: queue.flow_by === "header" ? "hint" : queue.flow_by,
    weights: Object.fromEntries(flows.map(([flow, { weight }]) => [flow, weight])),
    caps: Object.fromEntries(
      flows.flatMap(([flow, { concurrency_max: cap }]) => (cap === undefined ? [] : [[flow, cap]])),
    ),
  };
}

function toTail({ hedge, backoff, breaker, migration }: SchedulingSettings["tail"]): TailConfig {
  return {
    hedge:
      hedge === "off"
        ? null
        : { percentile: hedge.percentile / 100, shareMax: hedge.share_max, samplesMin: hedge.samples_min },
    backoff: { baseUs: seconds(backoff.base), maxUs: seconds(backoff.max) },
    breaker:
      breaker === "off"
        ? null
        : { failures: breaker.failures, successes: breaker.successes, openUs: seconds(breaker.open) },
    migration,
  };
}

function mapValues<From, To>(record: Record<string, From>, map: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
