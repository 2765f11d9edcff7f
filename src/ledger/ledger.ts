import type { LedgerState } from "../core/budget/accounts.ts";
import type { LimitRow } from "../core/budget/limits.ts";
import { MICROS_PER_MILLI, MILLIS_PER_SECOND } from "../core/units.ts";
import { KeyBook } from "../keys/key-book.ts";
import { readKeys } from "../keys/key-table.ts";
import type { Log } from "../observability/log.ts";
import type { Submit } from "../supervisor/loop.ts";
import type { LedgerPort } from "../supervisor/ports.ts";
import { ChangeTeller, readPlainChanges, readVersions } from "./changes.ts";
import { createStateFolder, ledgerPath, openDatabase, setBusyTimeout } from "./database.ts";
import { GroupCommit } from "./group-commit.ts";
import { readLimits } from "./limit-table.ts";
import { type Ownership, takeOwnership } from "./ownership.ts";
import { readState } from "./restore.ts";
import { SqliteStore } from "./sqlite-store.ts";
import { tidyTracking } from "./tracking.ts";
import { inTransaction } from "./transaction.ts";

/** What is appended and not durable yet, in entries; beyond it, nothing new may start. */
const PENDING_MAX = 50_000;
const CLOSE_MS_MAX = 10 * MILLIS_PER_SECOND;
/** How long a request with an unknown key may hold up all others while the file is looked into, in ms. */
const LOOK_MS_MAX = 20;

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
  /** Writes what is left and frees the file for another supervisor; rejects when not all could be written. */
  close(): Promise<void>;
}

export interface LedgerOptions {
  stateFolder: string;
  log: Log;
  /** How long the last entries are tried to be written at the end, in ms; 10 s if absent. */
  closeMsMax?: number;
}

type OwnedOptions = Omit<LedgerOptions, "stateFolder"> & { ownership: Ownership };

/** Throws when another supervisor has the folder's ledger, or the file can't be used. */
export function openLedger({ stateFolder, ...options }: LedgerOptions): Ledger {
  createStateFolder(stateFolder);
  const ownership = takeOwnership(stateFolder);
  try {
    return openOwned(ledgerPath(stateFolder), { ...options, ownership });
  } catch (error) {
    ownership.release();
    throw error;
  }
}

function openOwned(path: string, { ownership, log, closeMsMax = CLOSE_MS_MAX }: OwnedOptions): Ledger {
  const database = openDatabase(path, ownership);
  const first = inTransaction(database, () => {
    tidyTracking(database, Date.now() * MICROS_PER_MILLI);
    const { limits } = readLimits(database, { after: 0 });
    return { limits, keys: readKeys(database, { after: 0 }), through: readVersions(database) };
  });
  setBusyTimeout(database, LOOK_MS_MAX);

  let commits: GroupCommit | null = null;
  let submit: Submit | null = null;
  const teller = new ChangeTeller(first.through, {
    limits: (limits, known) => submit?.({ kind: "limits_changed", limits, known }),
    keys: (changed) => keys.update(changed),
  });
  const look = guardedLook(() => {
    const changes = readPlainChanges(database, teller.told);
    if (changes !== null) teller.tell(changes);
    return changes !== null;
  }, log);
  const keys = new KeyBook(first.keys, look);
  const store = new SqliteStore({
    path,
    log,
    known: () => teller.told,
    onChanged: (changes) => teller.tell(changes),
  });

  return {
    restore: () => ({
      state: readState(database),
      limits: first.limits.filter(({ amount }) => amount !== null),
    }),
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
      try {
        await writeLast(store, commits, closeMsMax);
      } finally {
        database.close();
        ownership.release();
      }
    },
  };
}

/**
 * False when the file could not be read, or what it says has to be added up first, which is left to the thread that writes:
 * the key is unknown for now. A request must not fail by that, nor fill the log.
 */
function guardedLook(look: () => boolean, log: Log): () => boolean {
  let isFailing = false;
  return () => {
    try {
      const isAllTold = look();
      isFailing = false;
      return isAllTold;
    } catch (error) {
      if (!isFailing) log.error({ error: (error as Error).message }, "new keys can't be looked for");
      isFailing = true;
      return false;
    }
  };
}

async function writeLast(store: SqliteStore, commits: GroupCommit | null, timeMs: number): Promise<void> {
  if (await within(timeMs, commits?.quiet() ?? Promise.resolve())) return store.close();
  const why = store.failure?.message ?? `the disk took longer than ${timeMs} ms`;
  await store.abandon();
  throw new Error(
    `The last ${commits?.pending} ledger entries could not be written (${why}). What they were about is charged in full when a supervisor starts on this ledger again.`,
  );
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
