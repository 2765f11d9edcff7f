/** How long a stream may be silent, in ms, before it is told that it still lives. */
const SILENCE_MS = 10_000;
const SWEEPS = 4;

export interface KeptStream {
  /** Writes what became due in this turn of the event loop. */
  flush(): void;
  /** Something has to be written: clients and proxies give up what is silent for long. */
  breakSilence(): void;
}

/** What all streams to clients have done for them together: no timer and no callback of their own. */
export class StreamKeeper {
  readonly #sweepMs: number;
  /** By stream: the sweeps that have seen it silent. */
  readonly #silentSweeps = new Map<KeptStream, number>();
  #sweeper: NodeJS.Timeout | null = null;
  #due: KeptStream[] = [];

  constructor(silenceMs = SILENCE_MS) {
    this.#sweepMs = silenceMs / SWEEPS;
  }

  /** Flushes the stream at the end of this turn. A second call in the same turn flushes twice: callers ask once. */
  schedule(stream: KeptStream): void {
    if (this.#due.push(stream) === 1) setImmediate(this.#flushAll);
  }

  /** Looks after a stream until it is let go; calling again says that it was written to. */
  watch(stream: KeptStream): void {
    this.#silentSweeps.set(stream, 0);
    this.#sweeper ??= setInterval(this.#sweep, this.#sweepMs).unref();
  }

  letGo(stream: KeptStream): void {
    this.#silentSweeps.delete(stream);
    if (this.#silentSweeps.size > 0 || this.#sweeper === null) return;
    clearInterval(this.#sweeper);
    this.#sweeper = null;
  }

  readonly #flushAll = (): void => {
    const due = this.#due;
    this.#due = [];
    for (const stream of due) stream.flush();
  };

  readonly #sweep = (): void => {
    for (const [stream, sweeps] of this.#silentSweeps) {
      this.#silentSweeps.set(stream, (sweeps + 1) % SWEEPS);
      if (sweeps + 1 === SWEEPS) stream.breakSilence();
    }
  };
}
