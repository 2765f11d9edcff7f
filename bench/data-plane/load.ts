import { setImmediate as nextTurn } from "node:timers/promises";
import { type Dispatcher, Pool } from "undici";
import type { Call } from "./dialects.ts";

/** Before the arrivals that count: connections open. A share of their time. */
const WARM_UP = 1 / 8;
const MS_PER_SECOND = 1_000;

/** Sends calls to one server and reads the answers to their end. An answer that is not whole throws. */
export class Load {
  readonly #pool: Pool;

  constructor(url: string) {
    this.#pool = new Pool(url, { connections: null, headersTimeout: 0, bodyTimeout: 0 });
  }

  /** `count` calls, the next one of each lane when its last one is over. */
  async lanes(call: Call, { count, lanes }: { count: number; lanes: number }): Promise<void> {
    let left = count;
    const lane = async (): Promise<void> => {
      while (left-- > 0) await this.#send(call);
    };
    await Promise.all(Array.from({ length: lanes }, lane));
  }

  /**
   * Calls at `rate` a second, whatever becomes of those before. Returns the latencies in ms, sorted,
   * each counted from when its call was due: a server that stalls is charged for everyone it
   * keeps waiting, those included who could not even be sent in time.
   */
  async arrivals(call: Call, { rate, seconds }: { rate: number; seconds: number }): Promise<number[]> {
    const warmUp = Math.round(WARM_UP * seconds * rate);
    const count = warmUp + Math.round(seconds * rate);
    const latencies: number[] = [];
    const answers: Promise<void>[] = [];
    const startMs = performance.now();
    while (answers.length < count) {
      const dueMs = startMs + (answers.length * MS_PER_SECOND) / rate;
      if (performance.now() < dueMs) {
        // Timers are a millisecond apart, which is longer than what is measured: turn and look.
        await nextTurn();
        continue;
      }
      answers.push(this.#timed(call, { dueMs, latencies: answers.length < warmUp ? null : latencies }));
    }
    await Promise.all(answers);
    return latencies.sort((a, b) => a - b);
  }

  close(): Promise<void> {
    return this.#pool.destroy();
  }

  async #timed(
    call: Call,
    { dueMs, latencies }: { dueMs: number; latencies: number[] | null },
  ): Promise<void> {
    await this.#send(call);
    latencies?.push(performance.now() - dueMs);
  }

  #send(call: Call): Promise<void> {
    return new Promise((resolve, reject) => {
      const { path, headers, body } = call;
      this.#pool.dispatch({ method: "POST", path, headers, body }, new Answer(call, resolve, reject));
    });
  }
}

/** Reads one answer; keeps its end only. */
class Answer implements Dispatcher.DispatchHandler {
  readonly #call: Call;
  readonly #resolve: () => void;
  readonly #reject: (error: Error) => void;
  #status = 0;
  #end = "";

  constructor(call: Call, resolve: () => void, reject: (error: Error) => void) {
    this.#call = call;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  onRequestStart(): void {}

  onResponseStart(_: Dispatcher.DispatchController, status: number): void {
    this.#status = status;
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    const { length } = this.#call.ending;
    this.#end = (this.#end.slice(-length) + chunk.toString("latin1")).slice(-length);
  }

  onResponseEnd(): void {
    if (this.#status === 200 && this.#end === this.#call.ending) this.#resolve();
    else this.#reject(new Error(`${this.#call.path} answered ${this.#status} …${this.#end}`));
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#reject(error);
  }
}
