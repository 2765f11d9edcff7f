import type { IncomingMessage } from "node:http";
import { RequestError } from "../errors.ts";

/** A context of a million tokens fits several times. */
const BODY_BYTES_MAX = 16 * 1024 * 1024;

/** The body as JSON; throws a {@link RequestError} when it is too large or not JSON. */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) {
      throw new RequestError("body_too_large", `The body has more than ${BODY_BYTES_MAX} bytes.`);
    }
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8")) as unknown;
  } catch {
    throw new RequestError("invalid_request", "The body is not valid JSON.");
  }
}
