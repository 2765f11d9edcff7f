import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** The right to append to the ledger of a state folder: one process has it at a time. */
export interface Ownership {
  release(): void;
}

/**
 * Takes the lock of an empty SQLite file beside the ledger. The system frees it when the process
 * ends, however it ends; commands that read, or write limits and keys, do not need it. Throws when
 * another supervisor has it.
 */
export function takeOwnership(stateFolder: string): Ownership {
  const lock = new DatabaseSync(join(stateFolder, "supervisor.lock"), { timeout: 0 });
  try {
    lock.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    lock.close();
    throw new Error(
      `Another supervisor is using ${stateFolder} (${(error as Error).message}). Stop it, or give this one a \`state\` folder of its own.`,
      { cause: error },
    );
  }
  return { release: () => lock.close() };
}
