import type { Micros } from "../units.ts";

/** So many parts of a report's age are told apart. */
const PARTS = 16;

/**
 * Sessions of ours that have ended on a worker. A report says how things were when it was taken: it still counts those that
 * have ended since, which are nobody else's load.
 *
 * ```
 *   heard        heard     taken         heard             heard now
 *   ──┼────────────┼─────────┼─────────────┼──────────────────┼──▶
 *                  └────────── ended: may be counted ─────────┘
 * ```
 * The marks are reports that were heard. Neighbours are at least a sixteenth of the later one's age apart, and none is kept
 * from before the last that was heard before the newest was taken: so there are some 20. Where ages change as wildly as they
 * can, their distances from the oldest still grow by a sixteenth each, from a microsecond to a minute: fewer than 300.
 */
export class EndedSessions {
  readonly #marks = [{ atUs: -Infinity, ended: 0 }];
  #ended = 0;

  add(sessions: number): void {
    this.#ended += sessions;
  }

  /** A report has come that is so old; returns how many sessions it may count that have ended. */
  heard(nowUs: Micros, ageUs: Micros): number {
    const takenUs = nowUs - Math.max(0, ageUs);
    const first = this.#marks.findLastIndex(({ atUs }) => atUs <= takenUs);
    this.#marks.splice(0, Math.max(0, first));
    const ended = this.#ended - this.#marks[0]!.ended;
    if (nowUs - this.#marks.at(-1)!.atUs >= ageUs / PARTS)
      this.#marks.push({ atUs: nowUs, ended: this.#ended });
    return ended;
  }
}
