import type { ServerResponse } from "node:http";

/**
 * A response of server-sent events. A reader that does not keep up is told of to the writer,
 * who pauses; one that takes nothing for `slowReaderMs` is dropped, and whatever it held is
 * free for others.
 */
export class EventStream {
  readonly #response: ServerResponse;
  readonly #slowReaderMs: number;
  #onReady: () => void = () => {};
  #deadline: NodeJS.Timeout | null = null;

  constructor(options: { response: ServerResponse; slowReaderMs: number }) {
    this.#response = options.response;
    this.#slowReaderMs = options.slowReaderMs;
  }

  begin(options: {
    /** The reader can take more, after it could not. */
    onReady: () => void;
    /** The reader left or was dropped, before the stream was complete. */
    onGone: () => void;
  }): void {
    const response = this.#response;
    this.#onReady = options.onReady;
    if (response.destroyed) return options.onGone();
    response.on("drain", () => this.#drained());
    // "close" comes for a broken connection and after a complete answer alike.
    response.on("close", () => {
      this.#stopDeadline();
      if (!response.writableFinished) options.onGone();
    });
    // A write to a connection that just broke fails; "close" follows and says all there is to say.
    response.on("error", () => {});
    response.writeHead(200, {
      "content-type": "text/event-stream",
      "cache-control": "no-cache",
      "x-accel-buffering": "no",
    });
    // The reader learns that it was accepted before the prompt is evaluated.
    response.flushHeaders();
  }

  /** Writes one event; "full" when the reader has to catch up first. */
  send(data: string): "ready" | "full" {
    if (this.#response.destroyed || this.#response.write(`data: ${data}\n\n`)) return "ready";
    this.#deadline ??= setTimeout(() => this.#response.destroy(), this.#slowReaderMs);
    return "full";
  }

  end(): void {
    this.#response.end();
  }

  #drained(): void {
    this.#stopDeadline();
    this.#onReady();
  }

  #stopDeadline(): void {
    if (this.#deadline !== null) clearTimeout(this.#deadline);
    this.#deadline = null;
  }
}
