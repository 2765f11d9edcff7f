import type { ServerResponse } from "node:http";

/**
 * A response of server-sent events. A reader that does not keep up is told of to the writer,
 * who pauses; one that takes nothing for `slowReaderMs` is dropped, and whatever it held is
 * free for others.
 *
 * Writing to a socket takes a good part of the time that a small model needs for a token. So
 * events are written while the engine is at work on the next one, and those that came meanwhile
 * are written together:
 *
 * ```
 *   main thread   token ─▶ send ─▶ ask for the next ─▶ batch sent off ─▶ write ──┐
 *   engine                                             └─▶ evaluates ────────────┴─▶ token
 * ```
 */
export class EventStream {
  readonly #response: ServerResponse;
  readonly #slowReaderMs: number;
  #onReady: () => void = () => {};
  #deadline: NodeJS.Timeout | null = null;
  /** Events that wait to be written; "" when there are none, and then no writing is planned. */
  #pending = "";

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

  /** Takes one event, to be written in a moment; "full" when the reader has to catch up first. */
  send(data: string): "ready" | "full" {
    const response = this.#response;
    if (response.destroyed) return "ready";
    // The engine sends its batch off in the next turn of the event loop; this is the one after.
    if (this.#pending === "") setImmediate(() => setImmediate(() => this.#write()));
    this.#pending += `data: ${data}\n\n`;
    return response.writableNeedDrain ? "full" : "ready";
  }

  end(): void {
    this.#response.end(this.#take());
  }

  #write(): void {
    const response = this.#response;
    const events = this.#take();
    if (events === "" || response.destroyed || response.write(events)) return;
    this.#deadline ??= setTimeout(() => response.destroy(), this.#slowReaderMs);
  }

  #take(): string {
    const events = this.#pending;
    this.#pending = "";
    return events;
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
