import { open } from "node:fs/promises";
import type { Logger } from "pino";
import { request } from "undici";
import type { ModelDescription, StateSource } from "../engine.ts";
import { kvBytesPerToken } from "../../core/fleet/kv.ts";
import { FINGERPRINT_HEADER } from "./state-headers.ts";

/** Beside keys and values, a state has the tokens, their positions and a few words on each layer. */
const OTHER_BYTES = 1024 * 1024;

/**
 * Fetches the state of a generation that another worker parked. It is refused when that worker's
 * context is of another kind, and when it has more bytes than the context can hold.
 */
export function stateSource(options: {
  url: URL;
  model: ModelDescription;
  /** For all of it. */
  timeoutMs: number;
  log: Logger;
}): StateSource {
  const { url, model, timeoutMs, log } = options;
  const bytesMax = model.contextTokens * kvBytesPerToken(model.kv) + OTHER_BYTES;
  return async (path, abandoned) => {
    try {
      const signal = AbortSignal.any([abandoned, AbortSignal.timeout(timeoutMs)]);
      await fetchInto({ url, path, fingerprint: model.stateFingerprint, bytesMax, signal });
      return true;
    } catch (error) {
      log.warn({ url: url.href, reason: String(error) }, "KV state not to be had: its tokens are evaluated");
      return false;
    }
  };
}

async function fetchInto(options: {
  url: URL;
  path: string;
  fingerprint: string;
  bytesMax: number;
  signal: AbortSignal;
}): Promise<void> {
  const { url, path, fingerprint, bytesMax, signal } = options;
  const { statusCode, headers, body } = await request(url, { signal });
  // What is left unread is told as an error when it is thrown away.
  body.on("error", () => {});
  try {
    if (statusCode !== 200) throw new Error(`answered ${statusCode}`);
    const theirs = headers[FINGERPRINT_HEADER];
    if (theirs !== fingerprint) throw new Error(`it is of ${String(theirs)}, not of ${fingerprint}`);
    const file = await open(path, "wx", 0o600);
    try {
      let bytes = 0;
      for await (const chunk of body as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > bytesMax) throw new Error(`it has more than ${bytesMax} bytes`);
        await file.writeFile(chunk);
      }
    } finally {
      await file.close();
    }
  } finally {
    body.destroy();
  }
}
