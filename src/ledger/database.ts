import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** Of the tables below; a file made by a later Headgate is refused. */
const SCHEMA_VERSION = 1;
/** Marks the file as ours: "HGLG". */
const APPLICATION_ID = 0x48474c47;
/** Others hold the file for milliseconds: a command that sets a limit, the supervisor that writes a group. */
const BUSY_MS = 5_000;
/** What the write-ahead log may keep on disk after it was folded into the file, in bytes. */
const LOG_BYTES_MAX = 16 * 1024 * 1024;

/**
 * `entries` is the truth: one row for each ledger entry, never changed. What it adds up to, up to
 * the sequence in `snapshot`, stands in `balances`, so that nobody has to add it all up again; money
 * is in nano-USD and times are in µs.
 *
 * `limits` and `keys` are as they stand now, with the version of their last change, by which a
 * running supervisor finds what is new; `limit_changes` is how the limits came about.
 */
const SCHEMA = `
  CREATE TABLE accounts (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
  ) STRICT;

  CREATE TABLE entries (
    sequence INTEGER PRIMARY KEY,
    at_us INTEGER NOT NULL,
    operation TEXT NOT NULL,
    hold TEXT NOT NULL,
    account INTEGER NOT NULL REFERENCES accounts,
    nano_usd INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    held_at_us INTEGER NOT NULL,
    in_doubt INTEGER NOT NULL,
    overage TEXT
  ) STRICT;
  CREATE INDEX entries_in_doubt ON entries (hold) WHERE in_doubt = 1;
  CREATE INDEX entries_adjusting ON entries (hold) WHERE operation = 'adjust';
  CREATE INDEX entries_with_overage ON entries (account) WHERE overage IS NOT NULL;

  CREATE TABLE snapshot (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    sequence INTEGER NOT NULL,
    clock_us INTEGER NOT NULL,
    holds TEXT NOT NULL
  ) STRICT;
  INSERT INTO snapshot VALUES (1, 0, 0, '[]');

  CREATE TABLE balances (
    account INTEGER NOT NULL REFERENCES accounts,
    window TEXT NOT NULL,
    start_us INTEGER NOT NULL,
    nano_usd INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    PRIMARY KEY (account, window, start_us)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE limits (
    account TEXT NOT NULL,
    unit TEXT NOT NULL,
    window TEXT NOT NULL,
    amount INTEGER,
    version INTEGER NOT NULL REFERENCES limit_changes,
    PRIMARY KEY (account, unit, window)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX limits_by_version ON limits (version);

  CREATE TABLE limit_changes (
    version INTEGER PRIMARY KEY,
    at_us INTEGER NOT NULL,
    changed_by TEXT NOT NULL,
    account TEXT NOT NULL,
    unit TEXT NOT NULL,
    window TEXT NOT NULL,
    amount_before INTEGER,
    amount_after INTEGER
  ) STRICT;

  CREATE TABLE keys (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    start TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    disabled_us INTEGER,
    version INTEGER NOT NULL UNIQUE,
    PRIMARY KEY (tenant, name)
  ) STRICT, WITHOUT ROWID;
`;

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
 * open. A commit returns once it would survive a loss of power. Throws when the file is something
 * else, or was made by a later version.
 */
export function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: BUSY_MS });
  try {
    // Asked before anything is changed: the file may not be ours.
    versionOf(database, path);
    database.exec("PRAGMA journal_mode = WAL");
    database.exec("PRAGMA synchronous = FULL");
    database.exec(`PRAGMA journal_size_limit = ${LOG_BYTES_MAX}`);
    prepareSchema(database, path);
  } catch (error) {
    database.close();
    throw error;
  }
  return database;
}

/** All of `work` or nothing. Nobody else writes meanwhile. Within another transaction it is a part of that one. */
export function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  if (database.isTransaction) return work();
  database.exec("BEGIN IMMEDIATE");
  try {
    const result = work();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    // A failed write may have rolled back by itself.
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

/** Everything that `read` reads is as of the same commit, while others write. */
export function consistently<T>(database: DatabaseSync, read: () => T): T {
  database.exec("BEGIN");
  try {
    return read();
  } finally {
    // A failed read may have rolled back by itself.
    if (database.isTransaction) database.exec("COMMIT");
  }
}

/** How long a look into the file may wait for others from now on. */
export function setBusyTimeout(database: DatabaseSync, timeoutMs: number): void {
  database.exec(`PRAGMA busy_timeout = ${timeoutMs}`);
}

function prepareSchema(database: DatabaseSync, path: string): void {
  if (versionOf(database, path) === SCHEMA_VERSION) return;
  inTransaction(database, () => {
    // Another process may have been faster.
    if (versionOf(database, path) === SCHEMA_VERSION) return;
    database.exec(SCHEMA);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  });
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
