import type { DatabaseSync } from "node:sqlite";
import { AccountIds } from "./account-ids.ts";
import { readEntries } from "./restore.ts";
import { KEYS, TABLES_SINCE_2 } from "./schema.ts";
import { Summary } from "./summary.ts";

/** GPU time, and the parts of what was posted in doubt. */
const COLUMNS_OF_3 = `
  ALTER TABLE entries ADD COLUMN gpu_us INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE entries ADD COLUMN parts TEXT;
  ALTER TABLE balances ADD COLUMN gpu_us INTEGER NOT NULL DEFAULT 0;
`;

/** Memory for what was posted and is not in the tables yet. */
const ENTRIES_AT_ONCE = 100_000;

/**
 * From version 1, where `global`, tenants and keys were all there was, and days in UTC the only window. Balances did not
 * say who used what when, so the entries are added up anew: a second for some 200,000. Within a transaction.
 */
export function migrateFrom1(database: DatabaseSync): void {
  database.exec(`
    ALTER TABLE entries ADD COLUMN model TEXT NOT NULL DEFAULT '';
    ALTER TABLE entries ADD COLUMN cached_tokens INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE entries ADD COLUMN reasoning_tokens INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE balances ADD COLUMN cached_tokens INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE balances ADD COLUMN reasoning_tokens INTEGER NOT NULL DEFAULT 0;
    ${COLUMNS_OF_3}
    ALTER TABLE limits ADD COLUMN thresholds TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE limit_changes ADD COLUMN thresholds_before TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE limit_changes ADD COLUMN thresholds_after TEXT NOT NULL DEFAULT '[]';

    ALTER TABLE keys RENAME TO keys_of_1;
    ${KEYS}
    INSERT INTO keys (account, tenant, name, role, hash, start, created_us, disabled_us, version)
      SELECT 'global/' || tenant || '/' || name, tenant, name, 'spend', hash, start, created_us, disabled_us, version
      FROM keys_of_1;
    DROP TABLE keys_of_1;
    ${TABLES_SINCE_2}

    DELETE FROM balances WHERE window = 'total';
    UPDATE snapshot SET sequence = 0, clock_us = 0, holds = '[]';
  `);
  const summary = new Summary(database, new AccountIds(database));
  for (const entry of readEntries(database, { after: 0 })) {
    summary.apply(entry);
    if (summary.unsummed >= ENTRIES_AT_ONCE) summary.writeSnapshot();
  }
  summary.writeSnapshot();
}

/**
 * From version 2, which counted no GPU time. What its audit has hashed stays as it is: nothing there says anything new. Posts
 * in doubt of that time have no parts, and are corrected as they were then: in the windows of the first. Within a transaction.
 */
export function migrateFrom2(database: DatabaseSync): void {
  database.exec(`${COLUMNS_OF_3} ALTER TABLE usage ADD COLUMN gpu_us INTEGER NOT NULL DEFAULT 0;`);
}
