import { addCounted, type MetricsShare, NOTHING_COUNTED } from "../observability/metrics-share.ts";

/** What a replica that does not answer holds up the others for, in ms. */
const ROUND_MS_MAX = 1_000;

export interface MetricsRoundsOptions {
  /** Names of the replicas that serve. */
  serving: () => string[];
  /** Asks that replica for its metrics. */
  ask: (replica: string, round: number) => void;
  /** Tells that replica what was gathered. */
  answer: (replica: string, gathered: { live: MetricsShare[]; past: MetricsShare }) => void;
}

/**
 * Gathers the metrics of all replicas when one of them is asked. Whoever asks during a round gets its result; one that
 * does not answer in time is counted as it was when it last did. So is one that has ended: counters never fall.
 */
export class MetricsRounds {
  readonly #options: MetricsRoundsOptions;
  readonly #askers = new Set<string>();
  readonly #missing = new Set<string>();
  /** The last share of each replica that lives. */
  readonly #shares = new Map<string, MetricsShare>();
  #past: Promise<MetricsShare> = Promise.resolve(NOTHING_COUNTED);
  #round = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: MetricsRoundsOptions) {
    this.#options = options;
  }

  wanted(asker: string): void {
    this.#askers.add(asker);
    if (this.#timer !== null) return;
    this.#round += 1;
    const { serving, ask } = this.#options;
    this.#timer = setTimeout(() => this.#end(), ROUND_MS_MAX);
    for (const replica of serving()) this.#missing.add(replica);
    for (const replica of this.#missing) ask(replica, this.#round);
  }

  take(replica: string, { round, share }: { round: number; share: MetricsShare }): void {
    this.#shares.set(replica, share);
    if (round === this.#round) this.#heard(replica);
  }

  /** Its process has ended. */
  left(replica: string): void {
    this.#askers.delete(replica);
    const share = this.#shares.get(replica);
    this.#shares.delete(replica);
    // What can't be added up is better lost than all the rest with it.
    if (share !== undefined)
      this.#past = this.#past.then((past) => addCounted(past, share).catch(() => past));
    this.#heard(replica);
  }

  #heard(replica: string): void {
    if (this.#missing.delete(replica) && this.#missing.size === 0) this.#end();
  }

  #end(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#missing.clear();
    const askers = [...this.#askers];
    this.#askers.clear();
    const live = [...this.#shares.values()];
    void this.#answer(askers, live);
  }

  async #answer(askers: readonly string[], live: MetricsShare[]): Promise<void> {
    const past = await this.#past;
    for (const asker of askers) this.#options.answer(asker, { live, past });
  }
}
