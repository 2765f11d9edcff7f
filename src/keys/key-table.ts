import type { DatabaseSync } from "node:sqlite";
import { MICROS_PER_MILLI, type Micros } from "../core/units.ts";
import { administer } from "../ledger/audit/chain.ts";
import { parentOf, placeOf, ROOT } from "./account-path.ts";
import { createSecret, hashSecret, startOf } from "./secret.ts";

/**
 * What a key may do:
 * - `spend`: call models, on its own account;
 * - `read`: see what the account above it, and all below that, spend;
 * - `admin`: that, and manage keys and limits there.
 */
export type KeyRole = "spend" | "admin" | "read";

export const KEY_ROLES: readonly KeyRole[] = ["spend", "admin", "read"];

/** A key as it is stored: its secret's hash, not its secret. */
export interface KeyRow {
  /** Its path in the tree of accounts, which names it: no two keys have the same. */
  account: string;
  role: KeyRole;
  hash: string;
  /** The secret's first characters. */
  start: string;
  createdUs: Micros;
  /** Null while it may be used. */
  disabledUs: Micros | null;
  /** Counts up over all keys with every change. */
  version: number;
}

const COLUMNS = "account, role, hash, start, created_us AS createdUs, disabled_us AS disabledUs, version";
const NEXT_VERSION = "(SELECT coalesce(max(version), 0) + 1 FROM keys)";

/** What was created or changed after that version; after 0, all there are. */
export function readKeys(database: DatabaseSync, { after }: { after: number }): KeyRow[] {
  const statement = database.prepare(`SELECT ${COLUMNS} FROM keys WHERE version > ? ORDER BY account`);
  return statement.all(after) as unknown as KeyRow[];
}

/** Those that are disabled, too: keys are never deleted. */
export function countKeys(database: DatabaseSync): number {
  return database.prepare("SELECT count(*) AS count FROM keys").get()!["count"] as number;
}

/** Why there can be no such key: another one has that account, or one above or below it. */
export interface KeyConflict {
  conflict: string;
}

/** Makes a key and returns its secret. Keys are where paths of names end: none is above another. */
export function createKey(
  database: DatabaseSync,
  { account, role }: Pick<KeyRow, "account" | "role">,
): string | KeyConflict {
  const conflict = keyAround(database, account);
  if (conflict !== null) return { conflict };
  const secret = createSecret();
  const { tenant, key } = placeOf(account);
  write(
    database,
    `INSERT INTO keys (account, tenant, name, role, hash, start, created_us, disabled_us, version)
     VALUES (?, ?, ?, ?, ?, ?, ?, NULL, ${NEXT_VERSION})`,
    [account, tenant, key, role, hashSecret(secret), startOf(secret), nowUs()],
  );
  return secret;
}

/** A new secret for the same account; the old one is worth nothing from then on. Null when there is no such key. */
export function rotateKey(database: DatabaseSync, account: string): string | null {
  const secret = createSecret();
  const sql = `UPDATE keys SET hash = ?, start = ?, version = ${NEXT_VERSION} WHERE account = ?`;
  return write(database, sql, [hashSecret(secret), startOf(secret), account]) ? secret : null;
}

/** Whether there is such a key. */
export function setKeyEnabled(database: DatabaseSync, account: string, isEnabled: boolean): boolean {
  const sql = `UPDATE keys SET disabled_us = ?, version = ${NEXT_VERSION} WHERE account = ?`;
  return write(database, sql, [isEnabled ? null : nowUs(), account]);
}

/** Whether anything was changed; the audit has it then, too. */
function write(database: DatabaseSync, sql: string, values: (string | number | null)[]): boolean {
  return administer(database, () => {
    const { changes } = database.prepare(sql).run(...values);
    return changes > 0;
  });
}

/** The key with that account, or one above it, or one below; null where there is none. */
function keyAround(database: DatabaseSync, account: string): string | null {
  const paths: string[] = [];
  for (let path = account; path !== ROOT; path = parentOf(path)) paths.push(path);
  // "0" is what follows "/": all accounts below, by the index on names.
  const found = database
    .prepare(
      `SELECT account FROM keys WHERE account IN (${paths.map(() => "?").join(", ")})
       UNION ALL SELECT account FROM keys WHERE account > ? AND account < ? LIMIT 1`,
    )
    .get(...paths, `${account}/`, `${account}0`);
  return (found?.["account"] as string | undefined) ?? null;
}

function nowUs(): Micros {
  return Date.now() * MICROS_PER_MILLI;
}
