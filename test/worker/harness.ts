import { resolve } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { pino } from "pino";
import { request } from "undici";
import type { ModelOptions, WorkerOptions } from "../../src/worker/options.ts";
import type { RunningWorker } from "../../src/worker/run.ts";
import { runWorker } from "../../src/worker/run.ts";
import type { GenerationEvent } from "../../src/worker/wire.ts";

export const MODEL: ModelOptions = {
  name: "tiny",
  path: resolve(import.meta.dirname, "../../models/headgate-0.3m.gguf"),
  contextTokens: 512,
  slots: 4,
};

export const SILENT = pino({ level: "silent" });

/** Always the same tokens for the same prompt. */
export const GREEDY = { temperature: 0 };

/** A worker on a port of the system's choice. */
export async function startWorker(
  options: Partial<WorkerOptions> & { model?: Partial<ModelOptions> } = {},
): Promise<WorkerClient> {
  const { model, ...rest } = options;
  const worker = await runWorker({
    port: 0,
    models: [{ ...MODEL, ...model }],
    log: SILENT,
    ...rest,
    engine: { threads: 1, ...rest.engine },
  });
  return new WorkerClient(worker);
}

let attempts = 0;

/** A body for /worker/generate that asks for a short greedy answer, with anything else put over it. */
export function generateBody(
  overrides: Record<string, unknown> = {},
): Record<string, unknown> & { id: string } {
  const maxTokens = overrides["max_tokens"] ?? 16;
  return {
    id: `attempt-${++attempts}`,
    supervisor: "test",
    model: "tiny",
    prompt: { messages: [{ role: "user", content: "What is the capital of France?" }] },
    max_tokens: maxTokens,
    credit: maxTokens,
    sampling: GREEDY,
    ...overrides,
  };
}

export class WorkerClient implements AsyncDisposable {
  readonly worker: RunningWorker;

  constructor(worker: RunningWorker) {
    this.worker = worker;
  }

  close(): Promise<void> {
    return this.worker.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async call(method: "GET" | "POST" | "DELETE", path: string, body?: unknown): Promise<JsonAnswer> {
    const answer = await request(`${this.worker.url}${path}`, {
      method,
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await answer.body.text();
    return {
      status: answer.statusCode,
      headers: answer.headers,
      body: text === "" ? null : JSON.parse(text),
    };
  }

  /** Starts a generation; its events are read one by one. */
  async open(overrides: Record<string, unknown> = {}): Promise<EventReader> {
    const body = generateBody(overrides);
    const abort = new AbortController();
    const answer = await request(`${this.worker.url}/worker/generate`, {
      method: "POST",
      body: JSON.stringify(body),
      signal: abort.signal,
    });
    if (answer.statusCode !== 200) throw new Error(`refused: ${await answer.body.text()}`);
    return new EventReader({ id: body.id, bytes: answer.body, abort });
  }

  /** A whole generation. */
  async generate(overrides: Record<string, unknown> = {}): Promise<Answer> {
    return (await this.open(overrides)).rest();
  }

  /** The value of one metric of the only model. */
  async metric(name: string): Promise<number> {
    const { body } = await request(`${this.worker.url}/metrics`);
    const line = (await body.text()).split("\n").find((candidate) => candidate.startsWith(`${name}{`));
    if (line === undefined) throw new Error(`no metric ${name}`);
    return Number(line.slice(line.lastIndexOf(" ")));
  }

  async health(): Promise<Record<string, unknown>> {
    return (await this.call("GET", "/worker/health")).body as Record<string, unknown>;
  }
}

export interface JsonAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  // oxlint-disable-next-line typescript/no-explicit-any -- Tests look into answers of many shapes.
  body: any;
}

/** A generation's events put together. */
export interface Answer {
  events: GenerationEvent[];
  ids: number[];
  text: string;
  started: Extract<GenerationEvent, { type: "started" }> | undefined;
  done: Extract<GenerationEvent, { type: "done" }> | undefined;
  parked: Extract<GenerationEvent, { type: "parked" }> | undefined;
}

export class EventReader {
  readonly id: string;
  readonly #abort: AbortController;
  readonly #frames: AsyncGenerator<GenerationEvent>;

  constructor(options: { id: string; bytes: AsyncIterable<Buffer>; abort: AbortController }) {
    this.id = options.id;
    this.#abort = options.abort;
    this.#frames = parse(options.bytes);
  }

  /** The next event, or null at the end of the stream. */
  async next(): Promise<GenerationEvent | null> {
    const { value, done } = await this.#frames.next();
    return done === true ? null : value;
  }

  /** Reads up to and including the first event of this type. */
  async until(type: GenerationEvent["type"]): Promise<GenerationEvent[]> {
    const events: GenerationEvent[] = [];
    for (let event = await this.next(); event !== null; event = await this.next()) {
      events.push(event);
      if (event.type === type) return events;
    }
    throw new Error(`the stream ended without "${type}"`);
  }

  async rest(): Promise<Answer> {
    const events: GenerationEvent[] = [];
    for (let event = await this.next(); event !== null; event = await this.next()) events.push(event);
    return putTogether(events);
  }

  /** Closes the connection. */
  leave(): void {
    this.#abort.abort();
  }
}

export function putTogether(events: GenerationEvent[]): Answer {
  const tokens = events.filter((event) => event.type === "tokens");
  return {
    events,
    ids: tokens.flatMap((event) => event.ids),
    text: tokens.map((event) => event.text).join(""),
    started: events.find((event) => event.type === "started"),
    done: events.find((event) => event.type === "done"),
    parked: events.find((event) => event.type === "parked"),
  };
}

async function* parse(bytes: AsyncIterable<Buffer>): AsyncGenerator<GenerationEvent> {
  let text = "";
  for await (const chunk of bytes) {
    text += chunk.toString();
    const frames = text.split("\n\n");
    text = frames.pop() ?? "";
    for (const frame of frames) yield JSON.parse(frame.replace(/^data: /, "")) as GenerationEvent;
  }
}

/** Waits for something that happens soon, however slow the machine is. */
export async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await nextTurn();
}
