import type { LedgerState } from "../core/budget/accounts.ts";
import type { LimitRow } from "../core/budget/limits.ts";
import { MILLIS_PER_SECOND } from "../core/units.ts";
import { KeyBook } from "../keys/key-book.ts";
import { prepareKeyLookUp, readKeys } from "../keys/key-table.ts";
import type { Log } from "../observability/log.ts";
import type { Submit } from "../supervisor/loop.ts";
import type { LedgerPort } from "../supervisor/ports.ts";
import { createStateFolder, ledgerPath, openDatabase } from "./database.ts";
import { GroupCommit } from "./group-commit.ts";
import { type LimitChanges, readLimits } from "./limit-table.ts";
import { type Ownership, takeOwnership } from "./ownership.ts";
import { readState } from "./restore.ts";
import { SqliteStore } from "./sqlite-store.ts";

/** What is appended and not durable yet, in entries; beyond it, nothing new may start. */
const PENDING_MAX = 50_000;
/** How long the last entries are tried to be written at the end, in ms. */
const CLOSE_MS_MAX = 10 * MILLIS_PER_SECOND;

/** The ledger of one supervisor, in a file that belongs to it alone. */
export interface Ledger {
  /** What the file says before anything is appended. */
  restore(): { state: LedgerState; limits: LimitRow[] };
  /** Keys, as they stand in the file now. */
  keys: KeyBook;
  /** The port to append to; limits that are changed by others are submitted, too. Call once. */
  connect(submit: Submit): LedgerPort;
  /** Why nothing can be made durable at the moment; null when it can. */
  trouble(): string | null;
  /** Writes what is left and frees the file for another supervisor. */
  close(): Promise<void>;
}

/** Throws when another supervisor has the folder's ledger, or the file can't be used. */
export function openLedger({ stateFolder, log }: { stateFolder: string; log: Log }): Ledger {
  createStateFolder(stateFolder);
  const ownership = takeOwnership(stateFolder);
  try {
    return openOwned(ledgerPath(stateFolder), ownership, log);
  } catch (error) {
    ownership.release();
    throw error;
  }
}

function openOwned(path: string, ownership: Ownership, log: Log): Ledger {
  const database = openDatabase(path);
  const { limits, version: limitVersion } = readLimits(database, { after: 0 });
  const allKeys = readKeys(database, { after: 0 });
  const lookUp = prepareKeyLookUp(database);
  const keys = new KeyBook(allKeys, (hash) => {
    const key = lookUp(hash);
    // A key that has just been created is not used before its limits are in force.
    if (key !== null) tellLimits(readLimits(database, { after: limitVersion }));
    return key;
  });
  const keyVersion = Math.max(0, ...allKeys.map(({ version }) => version));

  let commits: GroupCommit | null = null;
  let submit: Submit | null = null;
  const store = new SqliteStore({
    path,
    limitVersion,
    keyVersion,
    log,
    onChanged: (changes, changedKeys) => {
      tellLimits(changes);
      keys.update(changedKeys);
    },
  });
  const tellLimits = ({ limits: changed }: LimitChanges): void => {
    if (changed.length > 0) submit?.({ kind: "limits_changed", limits: changed });
  };

  return {
    restore: () => ({ state: readState(database), limits: limits.filter(({ amount }) => amount !== null) }),
    keys,
    connect(toLoop) {
      submit = toLoop;
      return (commits = new GroupCommit(store, toLoop));
    },
    trouble() {
      if (store.failure !== null) return `the ledger can't be written: ${store.failure.message}`;
      const pending = commits?.pending ?? 0;
      return pending < PENDING_MAX ? null : `${pending} ledger entries wait to be written`;
    },
    async close() {
      const isQuiet = await within(CLOSE_MS_MAX, commits?.quiet() ?? Promise.resolve());
      if (!isQuiet) {
        log.error({ entries: commits?.pending }, "the last ledger entries could not be written");
        await store.abandon();
      }
      try {
        if (isQuiet) await store.close();
      } finally {
        database.close();
        ownership.release();
      }
    },
  };
}

/** Whether the work was done in time. */
async function within(timeMs: number, work: Promise<void>): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), timeMs);
  void work.then(() => resolve(true));
  const isDone = await promise;
  clearTimeout(timer);
  return isDone;
}
