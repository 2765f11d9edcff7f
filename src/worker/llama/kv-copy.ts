import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { LlamaContextSequence } from "node-llama-cpp";
import type { Logger } from "pino";
import { makeStateFolder } from "../handover/state-folder.ts";
import { loadKv } from "./kv-state.ts";

/**
 * Copies the KV cache of one sequence to others of the same context. The library has no way but
 * through a file; it lies in a folder that only this user can read, and is gone when this
 * returns. Answers, for each target, whether it has the copy; one that has not is empty.
 */
export async function copyKv(options: {
  from: LlamaContextSequence;
  to: readonly LlamaContextSequence[];
  log: Logger;
}): Promise<boolean[]> {
  const { from, to, log } = options;
  try {
    const folder = await makeStateFolder();
    try {
      const file = join(folder, "state");
      await from.saveStateToFile(file);
      return await Promise.all(to.map((sequence) => loadKv({ sequence, file, log })));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  } catch (error) {
    log.warn({ err: error }, "KV cache not copied: each choice evaluates the prompt itself");
    return to.map(() => false);
  }
}
