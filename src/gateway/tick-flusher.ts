interface Flushable {
  flush(): void;
}

/** Flushes whatever became due in a turn of the event loop at the end of it: one callback for all clients, no timers. */
export class TickFlusher {
  #due: Flushable[] = [];

  /** A second call in the same turn flushes twice: callers ask once. */
  schedule(flushable: Flushable): void {
    if (this.#due.push(flushable) === 1) setImmediate(this.#flushAll);
  }

  readonly #flushAll = (): void => {
    const due = this.#due;
    this.#due = [];
    for (const flushable of due) flushable.flush();
  };
}
