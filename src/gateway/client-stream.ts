import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import { end } from "./respond.ts";
import type { KeptStream, StreamKeeper } from "./stream-keeper.ts";

/** A comment, which every reader of server-sent events passes over. */
const WAITING = ": waiting\n\n";

export interface ClientStreamOptions {
  response: ServerResponse;
  /** The request's id. */
  request: string;
  keeper: StreamKeeper;
  /** Whether to be silent until the first event, however long that takes, so that a failure still has its status. */
  holdsStatus?: boolean;
  /** The client has stopped reading: its socket's buffer is full. */
  onBlocked: () => void;
  /** It has read that buffer empty. */
  onDrained: () => void;
}

/**
 * Server-sent events on their way to one client, no faster than it reads them.
 *
 * The status line waits for the first event, so a failure before it can still be told by
 * status, unless the wait was long. Everything appended in one turn of the event loop leaves
 * in one write.
 */
export class ClientStream implements KeptStream {
  readonly #options: ClientStreamOptions;
  readonly #response: ServerResponse;
  /** What the head has beside what all streams have. */
  headers: OutgoingHttpHeaders = {};
  /** Frames not written yet. */
  #pending = "";
  #blocked = false;
  #ended = false;

  constructor(options: ClientStreamOptions) {
    this.#options = options;
    this.#response = options.response;
    options.keeper.watch(this);
    this.#response.once("close", () => options.keeper.letGo(this));
  }

  /** Whether it is too late for another status than 200. */
  get hasBegun(): boolean {
    return this.#response.headersSent || this.#pending !== "";
  }

  append(frames: string): void {
    if (frames === "") return;
    if (this.#pending === "") this.#options.keeper.schedule(this);
    this.#pending += frames;
  }

  /** The last frames, behind those that still wait. */
  end(frames: string): void {
    this.#ended = true;
    if (this.#response.destroyed) return;
    this.#sendHead();
    end(this.#response, this.#pending + frames);
  }

  /** Closes the connection as it is. */
  drop(): void {
    this.#ended = true;
    this.#response.destroy();
  }

  /** While the client is blocked, frames wait for it to drain. */
  flush(): void {
    if (this.#blocked || this.#pending === "" || this.#isClosed) return;
    const pending = this.#pending;
    this.#pending = "";
    this.#write(pending);
  }

  breakSilence(): void {
    if (this.#options.holdsStatus && !this.hasBegun) return;
    // Frames that wait for a blocked client are as good a sign of life as any, once it reads.
    if (!this.#blocked && !this.#isClosed) this.#write(WAITING);
  }

  #write(text: string): void {
    this.#sendHead();
    this.#options.keeper.watch(this);
    if (this.#response.write(text)) return;
    this.#blocked = true;
    this.#response.once("drain", () => this.#drained());
    this.#options.onBlocked();
  }

  get #isClosed(): boolean {
    return this.#ended || this.#response.destroyed || this.#response.writableEnded;
  }

  #drained(): void {
    this.#blocked = false;
    this.flush();
    if (!this.#blocked) this.#options.onDrained();
  }

  #sendHead(): void {
    if (this.#response.headersSent) return;
    this.#response.writeHead(200, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache",
      "x-request-id": this.#options.request,
      ...this.headers,
    });
  }
}
