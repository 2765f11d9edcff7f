import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { StringDecoder } from "node:string_decoder";

/** A call of `POST /worker/generate` as it went over the wire between this process and a worker. */
export interface WireGeneration {
  /** The attempt's id. */
  id: string;
  origin: string;
  /** As it was sent. */
  asked: { continue?: { tokens: number[]; state?: { url: string } }; park_at?: number; prompt: unknown };
  started: { prompt_tokens: number; cached_tokens: number; used_state?: boolean } | null;
  /** Its own tokens, in order, whether or not anybody was shown them. */
  ids: number[];
  /** What was to be read with each of them, and with those that end it without a token. */
  texts: { ids: number; text: string }[];
  /** The type of its last event: `done`, `parked`, `error`; null where it was cut off. */
  end: string | null;
  /** What became of the order to park it; null where there was none. It is refused where there is nothing left to park. */
  park: "sent" | "taken" | "refused" | "unheard" | null;
}

interface TappedRequest {
  origin: string | URL;
  path: string;
  body: unknown;
}

const PARK_PATH = /^\/worker\/generate\/([^/]+)\/park$/;

/**
 * Listens to what the supervisor of this process and its workers say to each other, without a part in it: undici
 * publishes each request and each piece of an answer.
 */
export class WireTap {
  /** By attempt, the latest sending of each. */
  readonly generations = new Map<string, WireGeneration>();
  /** Told of each generation that is about to be asked for: nothing of it has been sent yet. */
  onAsked: (generation: WireGeneration) => void = () => {};
  /** Told each token when it has come, before the supervisor is. */
  onToken: (generation: WireGeneration) => void = () => {};
  /** Told of each end that a worker has given, before the supervisor is. */
  onEnd: (generation: WireGeneration) => void = () => {};
  readonly #reading = new Map<object, { generation: WireGeneration; text: string; decoder: StringDecoder }>();
  readonly #channels: readonly [name: string, listener: (message: unknown) => void][] = [
    ["undici:request:create", (message) => this.#created((message as { request: TappedRequest }).request)],
    [
      "undici:request:headers",
      (message) => {
        const { request, response } = message as { request: TappedRequest; response: { statusCode: number } };
        this.#parkIs(response.statusCode === 200 ? "taken" : "refused", request);
      },
    ],
    [
      "undici:request:bodyChunkReceived",
      (message) => {
        const { request, chunk } = message as { request: object; chunk: Buffer };
        this.#received(request, chunk);
      },
    ],
    ["undici:request:trailers", (message) => this.#over((message as { request: object }).request)],
    [
      "undici:request:error",
      (message) => {
        const { request } = message as { request: TappedRequest };
        this.#parkIs("unheard", request);
        this.#over(request);
      },
    ],
  ];

  constructor() {
    for (const [name, listener] of this.#channels) subscribe(name, listener);
  }

  stop(): void {
    for (const [name, listener] of this.#channels) unsubscribe(name, listener);
  }

  #created(request: TappedRequest): void {
    this.#parkIs("sent", request);
    if (request.path !== "/worker/generate") return;
    const asked = JSON.parse(String(request.body)) as WireGeneration["asked"] & { id: string };
    const origin = String(request.origin);
    const generation: WireGeneration = {
      id: asked.id,
      origin,
      asked,
      started: null,
      ids: [],
      texts: [],
      end: null,
      park: null,
    };
    this.generations.set(asked.id, generation);
    this.#reading.set(request, { generation, text: "", decoder: new StringDecoder("utf8") });
    this.onAsked(generation);
  }

  #parkIs(park: WireGeneration["park"], { path }: TappedRequest): void {
    const [, id] = PARK_PATH.exec(path) ?? [];
    const generation = id === undefined ? undefined : this.generations.get(decodeURIComponent(id));
    // What breaks behind an answer does not take it back.
    if (generation !== undefined && (park !== "unheard" || generation.park === "sent"))
      generation.park = park;
  }

  #received(request: object, chunk: Buffer): void {
    const reading = this.#reading.get(request);
    if (reading === undefined) return;
    const events = (reading.text + reading.decoder.write(chunk)).split("\n\n");
    reading.text = events.pop()!;
    for (const event of events)
      if (event.startsWith("data: ")) this.#read(reading.generation, event.slice(6));
  }

  #read(generation: WireGeneration, data: string): void {
    const event = JSON.parse(data) as { type: string; ids: number[]; text: string };
    switch (event.type) {
      case "started":
        generation.started = event as unknown as WireGeneration["started"];
        return;
      case "tokens":
        generation.ids.push(...event.ids);
        generation.texts.push({ ids: event.ids.length, text: event.text });
        this.onToken(generation);
        return;
      case "done":
      case "parked":
      case "error":
        generation.end = event.type;
        this.onEnd(generation);
    }
  }

  #over(request: object): void {
    this.#reading.delete(request);
  }
}
