import type { Micros } from "../units.ts";
import type { Calendar, Span } from "./calendar.ts";
import type { CountsTable, Slot } from "./counts.ts";
import type { LimitWindow } from "./windows.ts";

/** What counts in one instance of a window; of a rolling one, in one bucket. */
interface Instance {
  readonly startUs: Micros;
  readonly slot: Slot;
}

/**
 * One window of one account, in the instances that have not been forgotten. There are few of them, and most questions are
 * about the one that was asked for last: that one is found without looking.
 */
export class CountedWindow {
  readonly window: LimitWindow;
  readonly #calendar: Calendar;
  readonly #counts: CountsTable;
  /** In the order in which they were first counted in. */
  #instances: Instance[] = [];
  #latestSpan: Span | null = null;
  #latest: Slot = 0;

  constructor(window: LimitWindow, parts: { calendar: Calendar; counts: CountsTable }) {
    this.window = window;
    this.#calendar = parts.calendar;
    this.#counts = parts.counts;
  }

  get instances(): readonly Instance[] {
    return this.#instances;
  }

  /** Of the instance that contains that instant; of a rolling window, of its bucket. */
  instance(atUs: Micros): Slot {
    const span = this.#calendar.span(this.window, atUs);
    // As long as nobody asks for another one, the calendar has one object for it.
    if (span === this.#latestSpan) return this.#latest;
    const { startUs } = span;
    let instance = this.#instances.find((each) => each.startUs === startUs);
    if (instance === undefined) this.#instances.push((instance = { startUs, slot: this.#counts.take() }));
    this.#latestSpan = span;
    this.#latest = instance.slot;
    return instance.slot;
  }

  /** What counts at that instant: of a rolling window, the sum of all its buckets that still do, until the next sum. */
  at(atUs: Micros): Slot {
    if (this.#calendar.spec(this.window).kind !== "rolling") return this.instance(atUs);
    const fromUs = this.#calendar.countsFrom(this.window, atUs);
    return this.#counts.sum(this.#slotsFrom(fromUs));
  }

  /** Drops instances that are over and in which nothing is held any more. */
  forgetBefore(atUs: Micros): void {
    const fromUs = this.#calendar.countsFrom(this.window, atUs);
    const isOver = ({ startUs, slot }: Instance): boolean =>
      startUs < fromUs && this.#counts.holdsNothing(slot);
    const over = this.#instances.filter(isOver);
    if (over.length === 0) return;
    this.#instances = this.#instances.filter((instance) => !over.includes(instance));
    for (const { slot } of over) this.#counts.giveBack(slot);
    this.#latestSpan = null;
  }

  *#slotsFrom(fromUs: Micros): Iterable<Slot> {
    for (const { startUs, slot } of this.#instances) {
      if (startUs < fromUs) continue;
      yield slot;
    }
  }
}
