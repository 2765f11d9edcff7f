import type { Micros } from "../units.ts";
import type { AskedPlace, LeaseAsk } from "./lease.ts";

/** More don't wait: who comes then has to do with what there is. */
const WAITING_MAX = 1_000;

/** An ask that has not been answered. */
export interface WaitingAsk {
  readonly replica: string;
  readonly ask: LeaseAsk;
  /** Names of its places. */
  readonly keys: readonly string[];
  /** Of those, where there was not enough when it was looked at last; at first, all. */
  shortOf: ReadonlySet<string>;
  /** Made for it: by their numbers, the replicas that have not answered them yet. */
  readonly recalls: Map<number, Set<string>>;
  /** Places that they are about. */
  readonly recalled: Set<AskedPlace>;
  readonly dueUs: Micros;
}

/**
 * Asks in the order of their coming. Each keeps those behind it from the places that it is short of, and from no others: what
 * comes free there is for it.
 */
export class AskLine {
  #waiting: WaitingAsk[] = [];

  get isFull(): boolean {
    return this.#waiting.length >= WAITING_MAX;
  }

  /** When the first of them has waited long enough; null where nobody waits. */
  get dueUs(): Micros | null {
    return this.#waiting.reduce<Micros | null>((first, { dueUs }) => Math.min(first ?? dueUs, dueUs), null);
  }

  *[Symbol.iterator](): Iterator<WaitingAsk> {
    yield* this.#waiting;
  }

  add(waiting: WaitingAsk): void {
    this.#waiting.push(waiting);
  }

  /** Takes out those that are to be taken out, and returns them. */
  take(isToGo: (waiting: WaitingAsk) => boolean): WaitingAsk[] {
    const gone = this.#waiting.filter(isToGo);
    if (gone.length > 0) this.#waiting = this.#waiting.filter((waiting) => !gone.includes(waiting));
    return gone;
  }

  /** Whether somebody is short of one of these places. */
  isAwaited(keys: readonly string[]): boolean {
    return this.#waiting.some(({ shortOf }) => keys.some((key) => shortOf.has(key)));
  }

  /**
   * Has everybody looked at who may be answered because something has changed at a place (null for anywhere), or because his time
   * is over. `look` answers, and returns null; or says what is still short.
   */
  serve(
    { touched, nowUs }: { touched: string | null; nowUs: Micros },
    look: (waiting: WaitingAsk) => ReadonlySet<string> | null,
  ): void {
    if (this.#waiting.length === 0) return;
    const kept = new Set<string>();
    const freed = new Set(touched === null ? [] : [touched]);
    this.#waiting = this.#waiting.filter((waiting) => {
      const { keys, dueUs } = waiting;
      const isConcerned = touched === null || nowUs >= dueUs || keys.some((key) => freed.has(key));
      if (isConcerned && !keys.some((key) => kept.has(key))) {
        const before = waiting.shortOf;
        const shortOf = look(waiting);
        // What it is not short of any more is for those behind it.
        for (const key of before) if (shortOf?.has(key) !== true) freed.add(key);
        if (shortOf === null) return false;
        waiting.shortOf = shortOf;
      }
      for (const key of waiting.shortOf) kept.add(key);
      return true;
    });
  }
}
