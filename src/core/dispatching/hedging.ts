import type { TailConfig } from "../config.ts";
import type { Micros } from "../units.ts";

/** Times to first token that are remembered for each model. */
const SAMPLES_MAX = 512;
/** So many hedges can be saved up in quiet times: a slow spell after them is not to double the load. */
const SAVED_MAX = 10;
/** Models whose times are remembered. */
const CLASSES_MAX = 1_000;
/** The percentile is found anew after so many more of them. */
const REFRESH_EVERY = 32;

/**
 * When a second attempt is worth its price: once a first token is later than most of its class were, where the
 * class is the model. Never for more than a share of all requests, or a slow fleet would be sent twice its load.
 */
export class Hedging {
  readonly #classes = new Map<string, FirstTokens>();
  /** Hedges that requests so far have left room for. */
  #allowance = 0;

  /** A request has been planned. */
  counted(config: TailConfig["hedge"]): void {
    if (config !== null) this.#allowance = Math.min(SAVED_MAX, this.#allowance + config.shareMax);
  }

  /** A hedge has been sent. */
  spent(): void {
    this.#allowance--;
  }

  firstToken(model: string, afterUs: Micros): void {
    let times = this.#classes.get(model);
    if (times === undefined) {
      if (this.#classes.size >= CLASSES_MAX) return;
      this.#classes.set(model, (times = new FirstTokens()));
    }
    times.add(afterUs);
  }

  /** How long after its dispatch a packet is to be hedged; null while that is not known, or not wanted. */
  delayUs(model: string, config: TailConfig["hedge"]): Micros | null {
    if (config === null) return null;
    return this.#classes.get(model)?.percentile(config) ?? null;
  }

  get isAffordable(): boolean {
    return this.#allowance >= 1;
  }
}

/** The latest times of one model. */
class FirstTokens {
  readonly #times: Micros[] = [];
  #next = 0;
  #sinceRefresh = 0;
  #percentileUs: Micros | null = null;

  add(timeUs: Micros): void {
    this.#times[this.#next] = timeUs;
    this.#next = (this.#next + 1) % SAMPLES_MAX;
    this.#sinceRefresh++;
  }

  percentile({ percentile, samplesMin }: { percentile: number; samplesMin: number }): Micros | null {
    if (this.#times.length < samplesMin) return null;
    if (this.#percentileUs === null || this.#sinceRefresh >= REFRESH_EVERY) {
      const sorted = this.#times.toSorted((a, b) => a - b);
      const rank = Math.ceil(percentile * sorted.length) - 1;
      this.#percentileUs = sorted[Math.min(sorted.length - 1, Math.max(0, rank))]!;
      this.#sinceRefresh = 0;
    }
    return this.#percentileUs;
  }
}
