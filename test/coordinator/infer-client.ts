import assert from "node:assert/strict";

/** What `POST /coordinator/infer` streams. */
export interface InferEvent {
  token?: string;
  seq?: number;
  finished: boolean;
  error?: { message: string; code: string };
}

export const QUESTION = { prompt: "What is the capital of France?", model: "tinyllama-1.1b", max_tokens: 64 };

/** Asks, and resolves with the status line. */
export function infer(
  url: string,
  body: unknown = QUESTION,
  options: { signal?: AbortSignal } = {},
): Promise<Response> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return fetch(`${url}/coordinator/infer`, { method: "POST", body: text, ...options });
}

/** The events of an answer as they come; whoever stops reading leaves. */
export async function* eventsOf(response: Response): AsyncGenerator<InferEvent, void> {
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
  assert.ok(response.body);
  let text = "";
  for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
    const frames = (text + part).split("\n\n");
    text = frames.pop() ?? "";
    for (const frame of frames) {
      assert.ok(frame.startsWith("data: "));
      yield JSON.parse(frame.slice("data: ".length)) as InferEvent;
    }
  }
  assert.equal(text, "", "the stream ends between two events");
}

/** The text of a whole answer, once it is known to be one: numbered without a gap, and with its last event. */
export async function answerOf(response: Response): Promise<string> {
  const events = await Array.fromAsync(eventsOf(response));
  assert.deepEqual(
    events.map(({ seq, finished }) => [seq, finished]),
    events.map((_, i) => [i, i === events.length - 1]),
  );
  assert.equal(events.at(-1)?.token, "");
  return events.map(({ token }) => token).join("");
}
