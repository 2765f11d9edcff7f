import { request } from "undici";
import { EventStreamParser } from "../../backends/event-stream.ts";

/** An answer this long says why the engine refuses. */
const REFUSAL_CHARACTERS_MAX = 500;

/** The engine answered, but not with 200. */
export class RefusedError extends Error {
  override name = "RefusedError";
  readonly status: number;

  constructor(status: number, text: string) {
    super(`the engine answered with status ${status}: ${text.slice(0, REFUSAL_CHARACTERS_MAX)}`);
    this.status = status;
  }
}

/** Posts JSON and hands on each event of the stream that comes back, as it comes. */
export async function postForEvents(call: {
  url: URL;
  headers: Record<string, string>;
  body: unknown;
  signal: AbortSignal;
  onEvent: (data: string) => void;
}): Promise<void> {
  const { url, headers, body, signal, onEvent } = call;
  const answer = await request(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
    signal,
  });
  if (answer.statusCode !== 200) throw new RefusedError(answer.statusCode, await answer.body.text());
  const parser = new EventStreamParser(onEvent);
  for await (const chunk of answer.body) {
    if (!parser.push(chunk as Buffer)) throw new Error("the engine sent an event that is too long");
  }
}
