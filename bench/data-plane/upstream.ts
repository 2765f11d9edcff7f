/**
 * A process that answers like a worker and like an OpenAI server, and generates nothing: the number
 * of tokens that is asked for, one every `TOKEN_MS`, the first at once. Told of a supervisor, it
 * reports there like a worker.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { serveParent } from "../child.ts";
import { chatDocument, chatFrames, type Frames, TOKEN_MS, workerFrames } from "./answers.ts";
import { MODELS, PATHS } from "./dialects.ts";

const HEARTBEAT_MS = 10_000;

const server = createServer({ noDelay: true }, (request, response) => {
  void answer(request, response);
});
server.listen(0, "127.0.0.1", () => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  serveParent(url, { register: (supervisor) => reportTo(String(supervisor), url) });
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = JSON.parse(await text(request)) as {
    max_tokens: number;
    stream?: boolean;
    stream_options?: { include_usage?: boolean };
  };
  const tokens = body.max_tokens;
  if (request.url === PATHS.generate) stream(response, tokens, workerFrames(tokens));
  else if (body.stream === true) {
    stream(response, tokens, chatFrames(tokens, body.stream_options?.include_usage === true));
  } else {
    const document = chatDocument(tokens);
    const headers = { "content-type": "application/json", "content-length": document.length };
    response.writeHead(200, headers).end(document);
  }
}

function stream(response: ServerResponse, tokens: number, { head, token, tail }: Frames): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
  if (tokens === 1) {
    response.end(head + token(0) + tail);
    return;
  }
  response.write(head + token(0));
  let next = 1;
  const ticks = setInterval(() => {
    const word = token(next++);
    if (next < tokens) {
      response.write(word);
      return;
    }
    clearInterval(ticks);
    response.end(word + tail);
  }, TOKEN_MS);
  response.on("close", () => clearInterval(ticks));
}

/** Resolves when the supervisor has taken the first report; the others follow as long as the process lives. */
async function reportTo(supervisor: string, url: string): Promise<void> {
  await report(supervisor, url);
  // The supervisor may be gone before we are, at the end.
  setInterval(() => void report(supervisor, url).catch(() => {}), HEARTBEAT_MS);
}

async function report(supervisor: string, url: string): Promise<void> {
  const unbounded = Number.MAX_SAFE_INTEGER;
  const response = await fetch(`${supervisor}/coordinator/health/heartbeat`, {
    method: "POST",
    body: JSON.stringify({
      worker_id: "bench-worker-1",
      worker_url: url,
      timestamp: Date.now(),
      health: { alive: true, active_sessions: 0, kv_cache_bytes: 0 },
      epoch: "1",
      draining: false,
      own_sessions: 0,
      limits: { sessions_max: 100_000, session_kv_bytes_max: unbounded, kv_bytes_max: unbounded },
      models: [{ model: MODELS.worker, context_tokens: 100_000, slots: 100_000, kv_bytes_per_token: 1_024 }],
    }),
  });
  if (response.status !== 200) throw new Error(`heartbeat refused: ${await response.text()}`);
}
