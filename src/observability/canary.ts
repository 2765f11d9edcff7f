import type { SettledRecord } from "../core/settling/record.ts";
import { MICROS_PER_MILLI } from "../core/units.ts";
import { momentsOf } from "../simulator/statistics/moments.ts";
import { quantiles } from "../simulator/statistics/quantiles.ts";
import { mannWhitneyTest, welchTest } from "../simulator/statistics/two-samples.ts";

/** Times that are kept of each profile, the latest ones. */
const SAMPLES_MAX = 4_096;
/** Profiles that are told apart. */
const PROFILES_MAX = 16;
/** Ranks say little about fewer on either side. */
const SAMPLES_MIN = 8;
/** A difference that chance alone would show less often than this is called one. */
const SIGNIFICANCE = 0.01;
const NANO_USD_PER_USD = 1e9;

/** What `GET /admin/canary` answers: requests settled since the profiles were last changed. */
export interface CanaryReport {
  /** The profile in use, the one that is tried beside it, and the share of the latter; null without one. */
  profile: string;
  canary: string | null;
  share: number;
  profiles: ProfileReport[];
  /** Null without a canary, or as long as either side has fewer than eight times to first token. */
  difference: DifferenceReport | null;
}

export interface ProfileReport {
  profile: string;
  requests: number;
  completed: number;
  cost_usd: number;
  /** Of requests that got a first token, in ms; null where none did. */
  ttft_ms: { samples: number; mean: number; p50: number; p99: number } | null;
}

/** Of times to first token, in ms. */
export interface DifferenceReport {
  /** The canary's mean less that of the profile in use. */
  ttft_mean_ms: number;
  /** How often chance alone would make as much of a difference: in means, and in ranks, which no outlier moves. */
  p_welch: number;
  p_mann_whitney: number;
  /** Of the canary; `same` where neither test sees a difference beyond chance, `unclear` where they disagree. */
  verdict: "faster" | "slower" | "same" | "unclear";
}

/** Compares placement profiles by the requests that went by them. */
export class Canary {
  readonly #profiles = new Map<string, ProfileTally>();

  settled(record: SettledRecord): void {
    let tally = this.#profiles.get(record.profile);
    if (tally === undefined) {
      // Refused before it was given one, or one profile too many since the last change.
      if (record.profile === "" || this.#profiles.size === PROFILES_MAX) return;
      this.#profiles.set(record.profile, (tally = new ProfileTally(record.profile)));
    }
    tally.settled(record);
  }

  /** Other profiles, or other policies in them: what was seen before says nothing about them. */
  reset(): void {
    this.#profiles.clear();
  }

  report(inUse: { policy: string; canary: "off" | { profile: string; share: number } }): CanaryReport {
    const canary = inUse.canary === "off" ? null : inUse.canary;
    const [before, after] = [this.#profiles.get(inUse.policy), this.#profiles.get(canary?.profile ?? "")];
    return {
      profile: inUse.policy,
      canary: canary?.profile ?? null,
      share: canary?.share ?? 0,
      profiles: Array.from(this.#profiles.values(), (tally) => tally.report()),
      difference:
        before === undefined || after === undefined ? null : differenceOf(before.ttftsMs, after.ttftsMs),
    };
  }
}

class ProfileTally {
  readonly #profile: string;
  readonly #ttftsMs = new Float64Array(SAMPLES_MAX);
  #samples = 0;
  #requests = 0;
  #completed = 0;
  #nanoUsd = 0;

  constructor(profile: string) {
    this.#profile = profile;
  }

  settled({ outcome, charged, ttftUs }: SettledRecord): void {
    this.#requests += 1;
    if (outcome === "completed") this.#completed += 1;
    this.#nanoUsd += charged.nanoUsd;
    if (ttftUs === null) return;
    this.#ttftsMs[this.#samples % SAMPLES_MAX] = ttftUs / MICROS_PER_MILLI;
    this.#samples += 1;
  }

  get ttftsMs(): Float64Array {
    return this.#ttftsMs.subarray(0, Math.min(this.#samples, SAMPLES_MAX));
  }

  report(): ProfileReport {
    const times = this.ttftsMs;
    const [p50, p99] = quantiles(times, [0.5, 0.99]) as [number, number];
    return {
      profile: this.#profile,
      requests: this.#requests,
      completed: this.#completed,
      cost_usd: this.#nanoUsd / NANO_USD_PER_USD,
      ttft_ms: times.length === 0 ? null : { samples: times.length, mean: momentsOf(times).mean, p50, p99 },
    };
  }
}

function differenceOf(before: Float64Array, after: Float64Array): DifferenceReport | null {
  if (before.length < SAMPLES_MIN || after.length < SAMPLES_MIN) return null;
  const means = welchTest(after, before);
  const ranks = mannWhitneyTest(after, before);
  return {
    ttft_mean_ms: momentsOf(after).mean - momentsOf(before).mean,
    p_welch: means.p,
    p_mann_whitney: ranks.p,
    verdict: verdictOf(directionOf(means), directionOf(ranks)),
  };
}

/** -1 for smaller, 1 for larger, 0 for what chance explains. */
function directionOf({ statistic, p }: { statistic: number; p: number }): number {
  return p < SIGNIFICANCE ? Math.sign(statistic) : 0;
}

/** One test is enough, as long as the other does not say the opposite: a long tail hides from ranks, a shift from means. */
function verdictOf(means: number, ranks: number): DifferenceReport["verdict"] {
  if (means * ranks < 0) return "unclear";
  const direction = Math.sign(means + ranks);
  return direction === 0 ? "same" : direction < 0 ? "faster" : "slower";
}
