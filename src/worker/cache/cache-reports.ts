/** Changes since the report before; with sequence 0 `stored` is all there is. */
export interface CacheReport {
  sequence: number;
  stored: number[];
  removed: number[];
}

/**
 * Reports of the cache to one supervisor. Changes are told against what it has acknowledged. Where
 * that is in doubt, as an answer to a report got lost, the next one tells all.
 *
 * ```
 *   all (sequence 0) ──acknowledged──▶ changes (1, 2, …), each acknowledged
 *        ▲                                │
 *        └──── not acknowledged, asked ───┘
 * ```
 */
export class CacheReports {
  readonly #now: () => Set<number>;
  /** What the supervisor knows; null when that is in doubt. */
  #acknowledged: ReadonlySet<number> | null = null;
  #reported: ReadonlySet<number> = new Set();
  #sequence = 0;

  constructor(now: () => Set<number>) {
    this.#now = now;
  }

  /** One without changes says that what was told still holds. */
  next(): CacheReport {
    const known = this.#acknowledged;
    const now = this.#now();
    this.#reported = now;
    if (known === null) {
      this.#sequence = 0;
      return { sequence: 0, stored: [...now], removed: [] };
    }
    return {
      sequence: ++this.#sequence,
      stored: [...now].filter((block) => !known.has(block)),
      removed: [...known].filter((block) => !now.has(block)),
    };
  }

  /** The last report arrived. */
  acknowledged(): void {
    this.#acknowledged = this.#reported;
  }

  /** It may not have, or the supervisor wants to hear all of it again. */
  startAgain(): void {
    this.#acknowledged = null;
  }
}
