import type { DatabaseSync } from "node:sqlite";
import { MICROS_PER_MILLI, type Micros } from "../core/units.ts";
import { createSecret, hashSecret, startOf } from "./secret.ts";

/** A key as it is stored: its secret's hash, not its secret. */
export interface KeyRow {
  tenant: string;
  /** Unique within the tenant; with it, it names the account that pays. */
  name: string;
  hash: string;
  /** The secret's first characters. */
  start: string;
  createdUs: Micros;
  /** Null while it may be used. */
  disabledUs: Micros | null;
  /** Counts up over all keys with every change. */
  version: number;
}

export type KeyName = Pick<KeyRow, "tenant" | "name">;

const COLUMNS = "tenant, name, hash, start, created_us AS createdUs, disabled_us AS disabledUs, version";
const NEXT_VERSION = "(SELECT coalesce(max(version), 0) + 1 FROM keys)";

/** What was created or changed after that version; after 0, all there are. */
export function readKeys(database: DatabaseSync, { after }: { after: number }): KeyRow[] {
  const statement = database.prepare(`SELECT ${COLUMNS} FROM keys WHERE version > ? ORDER BY tenant, name`);
  return statement.all(after) as unknown as KeyRow[];
}

/** Makes a key and returns its secret; null when the tenant has one of that name. */
export function createKey(database: DatabaseSync, { tenant, name }: KeyName): string | null {
  const secret = createSecret();
  const { changes } = database
    .prepare(
      `INSERT INTO keys VALUES (?, ?, ?, ?, ?, NULL, ${NEXT_VERSION}) ON CONFLICT (tenant, name) DO NOTHING`,
    )
    .run(tenant, name, hashSecret(secret), startOf(secret), nowUs());
  return changes === 0 ? null : secret;
}

/** A new secret for the same account; the old one is worth nothing from then on. Null when there is no such key. */
export function rotateKey(database: DatabaseSync, { tenant, name }: KeyName): string | null {
  const secret = createSecret();
  const { changes } = database
    .prepare(`UPDATE keys SET hash = ?, start = ?, version = ${NEXT_VERSION} WHERE tenant = ? AND name = ?`)
    .run(hashSecret(secret), startOf(secret), tenant, name);
  return changes === 0 ? null : secret;
}

/** Whether there is such a key. */
export function setKeyEnabled(
  database: DatabaseSync,
  { tenant, name }: KeyName,
  isEnabled: boolean,
): boolean {
  const { changes } = database
    .prepare(`UPDATE keys SET disabled_us = ?, version = ${NEXT_VERSION} WHERE tenant = ? AND name = ?`)
    .run(isEnabled ? null : nowUs(), tenant, name);
  return changes > 0;
}

function nowUs(): Micros {
  return Date.now() * MICROS_PER_MILLI;
}
