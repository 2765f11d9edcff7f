import type { LedgerState } from "../core/budget/accounts.ts";
import type { LimitRow } from "../core/budget/limits.ts";
import { MICROS_PER_MILLI, MILLIS_PER_SECOND } from "../core/units.ts";
import { KeyBook } from "../keys/key-book.ts";
import { type KeyRow, readKeys } from "../keys/key-table.ts";
import type { Log } from "../observability/log.ts";
import type { Submit } from "../supervisor/loop.ts";
import {
  type ChangeListeners,
  type Changes,
  ChangeTeller,
  readPlainChanges,
  readVersions,
} from "./changes.ts";
import { createStateFolder, ledgerPath, openDatabase, setBusyTimeout } from "./database.ts";
import { GroupCommit } from "./group-commit.ts";
import { readLimits } from "./limit-table.ts";
import { guardedLook, LOOK_MS_MAX } from "./look.ts";
import { type Ownership, takeOwnership } from "./ownership.ts";
import { readState } from "./restore.ts";
import { SqliteStore } from "./sqlite-store.ts";
import { tidyTracking } from "./tracking.ts";
import { inTransaction } from "./transaction.ts";

/** What is appended and not durable yet, in entries; beyond it, nothing new may start. */
const PENDING_MAX = 50_000;
/** How long the last entries are tried to be written at the end, in ms, if nothing else is said. */
export const CLOSE_MS_MAX = 10 * MILLIS_PER_SECOND;

export interface LedgerOptions {
  stateFolder: string;
  log: Log;
  /** How long the last entries are tried to be written at the end, in ms; 10 s if absent. */
  closeMsMax?: number;
}

/** Told what others have changed in the file. */
export interface OwnerListeners extends Pick<ChangeListeners, "limits"> {
  /** Keys, after the limits that they came with. */
  keys?: (changed: KeyRow[], through: Changes["through"]) => void;
}

/** The ledger's file, in the hands of the one process that may append to it. */
export interface OwnedFile {
  /** What it says before anything is appended. */
  restore(): { state: LedgerState; limits: LimitRow[] };
  /** Keys, as they stand in the file now. */
  keys: KeyBook;
  /** Up to which changes of limits and keys the listeners were told, or those at the start know. */
  told(): Changes["through"];
  /** Tells of what was changed as far as that needs no adding up; false where it can't. */
  look(): boolean;
  /** What to append to. Call once. */
  commits(submit: Submit, options?: { tellsAll: boolean }): GroupCommit;
  /** Why nothing can be written at the moment; null when it can. */
  failure(): string | null;
  /** Why nothing new may start: that, or too much that waits to be written. */
  trouble(): string | null;
  /** Writes what is left and frees the file for another process; rejects when not all could be written. */
  close(): Promise<void>;
}

/** Throws when another process has the folder's ledger, or the file can't be used. */
export function openOwnedFile(
  { stateFolder, ...options }: LedgerOptions,
  listeners: OwnerListeners,
): OwnedFile {
  createStateFolder(stateFolder);
  const ownership = takeOwnership(stateFolder);
  try {
    return openOwned(ledgerPath(stateFolder), { ...options, ownership, listeners });
  } catch (error) {
    ownership.release();
    throw error;
  }
}

type OwnedOptions = Omit<LedgerOptions, "stateFolder"> & { ownership: Ownership; listeners: OwnerListeners };

function openOwned(
  path: string,
  { ownership, listeners, log, closeMsMax = CLOSE_MS_MAX }: OwnedOptions,
): OwnedFile {
  const database = openDatabase(path, { ownership, tell: (words) => log.info(words) });
  const first = inTransaction(database, () => {
    tidyTracking(database, Date.now() * MICROS_PER_MILLI);
    const { limits } = readLimits(database, { after: 0 });
    return { limits, keys: readKeys(database, { after: 0 }), through: readVersions(database) };
  });
  setBusyTimeout(database, LOOK_MS_MAX);

  let commits: GroupCommit | null = null;
  const teller = new ChangeTeller(first.through, {
    limits: listeners.limits,
    keys: (changed) => keys.update(changed),
  });
  const tell = (changes: Changes): void => {
    teller.tell(changes);
    listeners.keys?.(changes.keys, teller.told);
  };
  const look = guardedLook(() => {
    const changes = readPlainChanges(database, teller.told);
    if (changes !== null) tell(changes);
    return changes !== null;
  }, log);
  const keys = new KeyBook(first.keys, look);
  const store = new SqliteStore({ path, log, known: () => teller.told, onChanged: tell });
  const failure = (): string | null => {
    return store.failure === null ? null : `the ledger can't be written: ${store.failure.message}`;
  };

  return {
    restore: () => ({
      state: readState(database),
      limits: first.limits.filter(({ amount }) => amount !== null),
    }),
    keys,
    told: () => teller.told,
    look,
    commits: (submit, options) => (commits = new GroupCommit(store, submit, options)),
    failure,
    trouble: () => failure() ?? describePending(commits?.pending ?? 0),
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

/** Why nothing new may start while so many entries are not durable yet; null where that is few enough. */
export function describePending(pending: number): string | null {
  return pending < PENDING_MAX ? null : `${pending} ledger entries wait to be written`;
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
export async function within(timeMs: number, work: Promise<void>): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), timeMs);
  void work.then(() => resolve(true));
  const isDone = await promise;
  clearTimeout(timer);
  return isDone;
}
