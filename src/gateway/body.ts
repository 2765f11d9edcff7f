import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import type { HeadgateError } from "../core/errors.ts";

export interface BodyOptions {
  request: IncomingMessage;
  bytesMax: number;
  onBody: (body: Buffer) => void;
  /** Has to answer, with these headers. */
  onRefused: (error: HeadgateError, headers: OutgoingHttpHeaders) => void;
}

/**
 * Reads a whole body. One that is too long is refused as soon as that is known, and never
 * kept. If the client leaves in the middle, nothing happens; if it dawdles, the server's
 * request timeout ends it.
 */
export function readBody(options: BodyOptions): void {
  const { request, bytesMax } = options;
  if (declaredLength(request) > bytesMax) {
    refuse(options);
    return;
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  const take = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes <= bytesMax) {
      chunks.push(chunk);
      return;
    }
    request.off("data", take).off("end", finish);
    chunks.length = 0;
    refuse(options);
  };
  const finish = (): void => {
    const [first] = chunks;
    options.onBody(chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, bytes));
  };
  request.on("data", take).on("end", finish);
}

/** 0 when the client does not say. */
export function declaredLength(request: IncomingMessage): number {
  return Number(request.headers["content-length"] ?? 0);
}

/**
 * Closing a socket that still has unread bytes resets it, and a reset may overtake the answer.
 * So the answer goes out, then what still comes is read and thrown away until the client stops
 * (or has sent as much again), then the connection closes.
 */
function refuse({ request, bytesMax, onRefused }: BodyOptions): void {
  const error: HeadgateError = {
    code: "body_too_large",
    message: `The body is longer than ${bytesMax} bytes.`,
  };
  let discarded = 0;
  const close = (): void => request.socket.destroySoon();
  request.on("data", (chunk: Buffer) => {
    discarded += chunk.length;
    if (discarded > bytesMax) close();
  });
  request.on("end", close);
  onRefused(error, { connection: "close" });
}
