import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { beginAudit } from "./audit/begin.ts";
import { migrateFrom1, migrateFrom2 } from "./migration.ts";
import { type Ownership, takeOwnership } from "./ownership.ts";
import { SCHEMA, SCHEMA_VERSION } from "./schema.ts";
import { inTransaction } from "./transaction.ts";

/** Marks the file as ours: "HGLG". */
const APPLICATION_ID = 0x48474c47;
/** Others hold the file for milliseconds: a command that sets a limit, the supervisor that writes a group. */
const BUSY_MS = 5_000;
/** What the write-ahead log may keep on disk after it was folded into the file, in bytes. */
const LOG_BYTES_MAX = 16 * 1024 * 1024;

/** Where the ledger is in the state folder. */
export function ledgerPath(stateFolder: string): string {
  return join(stateFolder, "ledger.db");
}

/** The folder is for its owner only: it holds who spent what, and the hashes of keys. */
export function createStateFolder(stateFolder: string): void {
  mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
}

/**
 * Opens the ledger's file, and makes it where there is none; any number of processes may have it
 * open. A commit returns once it would survive a loss of power. A file of an earlier version is brought up to this one,
 * which takes its ownership for the time, unless the caller has it; what it was is kept beside it, and `tell` is told. Throws when
 * the file is something else, was made by a later version, or is of an earlier one and in use.
 */
export function openDatabase(
  path: string,
  {
    ownership = null,
    tell = () => {},
  }: { ownership?: Ownership | null; tell?: (words: string) => void } = {},
): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: BUSY_MS });
  try {
    // Asked before anything is changed: the file may not be ours.
    versionOf(database, path);
    database.exec("PRAGMA journal_mode = WAL");
    database.exec("PRAGMA synchronous = FULL");
    database.exec(`PRAGMA journal_size_limit = ${LOG_BYTES_MAX}`);
    const earlier = prepareSchema(database, path, ownership);
    if (earlier !== null)
      tell(`${path} was brought up to this version of Headgate. As it was it is kept in ${earlier}.`);
  } catch (error) {
    database.close();
    throw error;
  }
  return database;
}

/** How long a look into the file may wait for others from now on. */
export function setBusyTimeout(database: DatabaseSync, timeoutMs: number): void {
  database.exec(`PRAGMA busy_timeout = ${timeoutMs}`);
}

/** Returns where the file is as it was before, if it was of an earlier version. */
function prepareSchema(database: DatabaseSync, path: string, ownership: Ownership | null): string | null {
  const version = versionOf(database, path);
  if (version === SCHEMA_VERSION) return null;
  // A supervisor of that version would write what is not true any more.
  const taken = version > 0 && ownership === null ? takeFromEarlier(path) : null;
  try {
    const earlier = version === 0 ? null : keepEarlier(database, path, version);
    inTransaction(database, () => bringUp(database, path));
    return earlier;
  } finally {
    taken?.release();
  }
}

function takeFromEarlier(path: string): Ownership {
  try {
    return takeOwnership(dirname(path));
  } catch (error) {
    throw new Error(
      `${path} is of an earlier version of Headgate, and a supervisor has it (${(error as Error).message}). Use the commands of that version, or stop it first.`,
      { cause: error },
    );
  }
}

/** Nobody who goes back to the version that made it has lost it then. */
function keepEarlier(database: DatabaseSync, path: string, version: number): string {
  const earlier = `${path}.schema-${version}`;
  if (existsSync(earlier)) return earlier;
  const unfinished = `${earlier}.tmp`;
  rmSync(unfinished, { force: true });
  try {
    database.prepare("VACUUM INTO ?").run(unfinished);
  } catch (error) {
    rmSync(unfinished, { force: true });
    const reason = (error as Error).message;
    throw new Error(
      `${path} is of an earlier version, and a copy of it can't be kept in ${earlier} before it is changed (${reason}). Make room for it there.`,
      { cause: error },
    );
  }
  renameSync(unfinished, earlier);
  return earlier;
}

function bringUp(database: DatabaseSync, path: string): void {
  // Another process may have been faster.
  const version = versionOf(database, path);
  if (version === SCHEMA_VERSION) return;
  if (version === 2) migrateFrom2(database);
  else {
    if (version === 0) database.exec(SCHEMA);
    else migrateFrom1(database);
    beginAudit(database);
  }
  database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
  database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
}

/** 0 for a new file. */
function versionOf(database: DatabaseSync, path: string): number {
  const version = pragma(database, "user_version");
  if (version > SCHEMA_VERSION) {
    throw new Error(
      `${path} was made by a later version of Headgate (its schema is ${version}, this one knows ${SCHEMA_VERSION}). Use that version, or another \`state\` folder.`,
    );
  }
  const isOurs = pragma(database, "application_id") === APPLICATION_ID;
  const isNew = version === 0 && pragma(database, "schema_version") === 0;
  if (isOurs || isNew) return version;
  throw new Error(`${path} is not a ledger of Headgate. Move it away, or set another \`state\` folder.`);
}

function pragma(database: DatabaseSync, name: string): number {
  return database.prepare(`PRAGMA ${name}`).get()![name] as number;
}
