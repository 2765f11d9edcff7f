import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { LlamaContextSequence } from "node-llama-cpp";
import type { Logger } from "pino";
import type { StateSource } from "../engine.ts";
import { makeStateFolder } from "../handover/state-folder.ts";

/**
 * Fetches KV state into a file that only this user can read, and that is gone when this returns.
 * Answers whether there was one, and `load` could load it.
 */
export async function fetchKv(options: {
  source: StateSource;
  load: (file: string) => Promise<boolean>;
  signal: AbortSignal;
  log: Logger;
}): Promise<boolean> {
  const { source, load, signal, log } = options;
  try {
    const folder = await makeStateFolder();
    try {
      const file = join(folder, "state");
      return (await source(file, signal)) && (await load(file));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  } catch (error) {
    log.warn({ err: error }, "KV state not fetched: its tokens are evaluated");
    return false;
  }
}

/** Loads a file that a context of the same fingerprint wrote. False, and an empty sequence, when it doesn't. */
export async function loadKv(options: {
  sequence: LlamaContextSequence;
  file: string;
  log: Logger;
}): Promise<boolean> {
  const { sequence, file, log } = options;
  try {
    // The library warns of files of other models; whoever calls has made sure that this is none.
    await sequence.loadStateFromFile(file, { acceptRisk: true });
    return true;
  } catch (error) {
    log.warn({ err: error }, "KV state not loaded: its tokens are evaluated");
    await sequence.clearHistory();
    return false;
  }
}
