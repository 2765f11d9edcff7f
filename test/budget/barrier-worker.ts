import { FakeGeneration, FakeWorker } from "../fakes/fake-worker.ts";
import { MODEL } from "./supervisor-process.ts";

/**
 * A worker that takes everything it is sent, and says nothing until it is told to go on: then every
 * generation has exactly `maxTokens` tokens, as with an engine that never ends by itself.
 */
export class BarrierWorker {
  readonly #worker: FakeWorker;
  readonly #open = Promise.withResolvers<void>();
  readonly #arrivals: { count: number; arrived: () => void }[] = [];
  #arrived = 0;
  #onToken: () => void = () => {};

  private constructor(worker: FakeWorker) {
    this.#worker = worker;
    void this.#serve();
  }

  static async start(): Promise<BarrierWorker> {
    return new BarrierWorker(await FakeWorker.start({ model: MODEL, slots: 1_000 }));
  }

  register(gatewayUrl: string): Promise<void> {
    const limits = { sessions_max: 1_000, session_kv_bytes_max: 2 ** 29, kv_bytes_max: 2 ** 33 };
    return this.#worker.register(gatewayUrl, { limits });
  }

  /** Resolves once that many generations have been sent here. */
  arrival(count: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.#arrived >= count) resolve();
    else this.#arrivals.push({ count, arrived: resolve });
    return promise;
  }

  get arrived(): number {
    return this.#arrived;
  }

  /** Lets everybody go on; `onToken` is called with each token that is sent. */
  open(onToken: () => void = () => {}): void {
    this.#onToken = onToken;
    this.#open.resolve();
  }

  close(): Promise<void> {
    return this.#worker.close();
  }

  async #serve(): Promise<never> {
    for (;;) {
      const call = await this.#worker.server.next();
      // A supervisor that starts after a crash asks what became of the attempts it has lost.
      if (call.path === "/worker/receipts") {
        call.json(200, { receipts: [] });
        continue;
      }
      const generation = new FakeGeneration(call);
      this.#arrived++;
      for (const { count, arrived } of this.#arrivals) if (this.#arrived >= count) arrived();
      void this.#open.promise.then(() => this.#generate(generation));
    }
  }

  #generate(generation: FakeGeneration): void {
    const maxTokens = generation.request["max_tokens"] as number;
    generation.started();
    for (let i = 0; i < maxTokens; i++) {
      generation.token("x");
      this.#onToken();
    }
    generation.done("length");
  }
}
