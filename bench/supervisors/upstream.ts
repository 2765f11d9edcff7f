/**
 * An OpenAI-compatible server that takes as little of the machine as it can, for a bench whose subjects share it: each
 * answer is rendered once and written as bytes, and of a request only its head is looked at. All requests are answered
 * alike, as the parent has said last. What it does not understand it hangs up on, so that the client fails.
 */
import { type AddressInfo, createServer, type Socket } from "node:net";
import { serveParent } from "../child.ts";
import { chatDocument, chatFrames, TOKEN_MS } from "../data-plane/answers.ts";
import { PATHS } from "../data-plane/dialects.ts";
import { RequestReader } from "./request-reader.ts";

/** How every request is answered from now on. */
export interface Answered {
  streamed: boolean;
  tokens: number;
}

/** What is written at once, and then one every `TOKEN_MS`. */
let writes: readonly Buffer[] = [];

const server = createServer({ noDelay: true }, serve);
server.listen(0, "127.0.0.1", () => {
  serveParent(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
    answer: (argument) => {
      writes = rendered(argument as Answered);
    },
  });
});

function serve(socket: Socket): void {
  const reader = new RequestReader(`POST ${PATHS.chat} HTTP/1.1\r\n`);
  let ticks: NodeJS.Timeout | undefined;
  socket.on("data", (bytes: Buffer) => {
    const read = reader.read(bytes);
    if (read === "whole") ticks = answer(socket);
    if (read === "broken") socket.destroy();
  });
  // Whoever has left says so by the end of the connection, however it came about.
  socket.on("error", () => {});
  socket.on("close", () => clearInterval(ticks));
}

/** Returns what writes the rest, if there is any. */
function answer(socket: Socket): NodeJS.Timeout | undefined {
  const parts = writes;
  socket.write(parts[0]!);
  if (parts.length === 1) return;
  let next = 1;
  const ticks = setInterval(() => {
    socket.write(parts[next]!);
    if (++next === parts.length) clearInterval(ticks);
  }, TOKEN_MS);
  return ticks;
}

function rendered({ streamed, tokens }: Answered): Buffer[] {
  if (!streamed) {
    const document = chatDocument(tokens);
    const head = `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(document)}`;
    return [Buffer.from(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${document}`)];
  }
  const frames = chatFrames(tokens, true);
  return Array.from({ length: tokens }, (_, i) => {
    const isFirst = i === 0;
    const isLast = i === tokens - 1;
    const text = `${isFirst ? frames.head : ""}${frames.token(i)}${isLast ? frames.tail : ""}`;
    return Buffer.from(`${isFirst ? STREAM_HEAD : ""}${chunked(text)}${isLast ? LAST_CHUNK : ""}`);
  });
}

const STREAM_HEAD =
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const LAST_CHUNK = "0\r\n\r\n";

function chunked(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
}
