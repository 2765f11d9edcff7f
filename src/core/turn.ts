import { assert } from "./assert.ts";
import type { Deadline, TimerHandle } from "./deadlines.ts";
import type { Effect } from "./effects.ts";
import { Timers } from "./timers.ts";
import type { Micros } from "./units.ts";

/**
 * What the stages share while one event is handled: the time it happened, the effects so far,
 * and the deadlines that outlast it.
 */
export class Turn {
  readonly #timers = new Timers<Deadline>();
  #nowUs: Micros = 0;
  #wakeUs: Micros = Infinity;
  #effects: Effect[] = [];

  get nowUs(): Micros {
    return this.#nowUs;
  }

  begin(nowUs: Micros): void {
    assert(nowUs >= this.#nowUs, "time does not go back");
    this.#nowUs = nowUs;
    this.#effects = [];
  }

  emit(effect: Effect): void {
    this.#effects.push(effect);
  }

  /** Sets a deadline that many microseconds from now. */
  after(delayUs: Micros, deadline: Deadline): TimerHandle {
    return this.at(this.#nowUs + delayUs, deadline);
  }

  at(timeUs: Micros, deadline: Deadline): TimerHandle {
    return this.#timers.set(timeUs, deadline);
  }

  /** Harmless on a deadline that was never set or has been reached. */
  cancel(timer: TimerHandle | null): void {
    if (timer !== null) this.#timers.cancel(timer);
  }

  /** The wake-up asked for has come: every deadline that is due, one after the other. */
  *due(): Iterable<Deadline> {
    this.#wakeUs = Infinity;
    for (let timer = this.#timers.takeDue(this.#nowUs); timer !== null;) {
      yield timer.action;
      timer = this.#timers.takeDue(this.#nowUs);
    }
  }

  /** Asks to be woken for the earliest deadline; a wake-up that has become too early does no harm. */
  end(): Effect[] {
    const nextUs = this.#timers.nextUs;
    if (nextUs !== null && nextUs < this.#wakeUs) {
      this.#wakeUs = nextUs;
      this.#effects.push({ kind: "wake", atUs: nextUs });
    }
    return this.#effects;
  }
}
