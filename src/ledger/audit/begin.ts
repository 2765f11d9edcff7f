import type { DatabaseSync } from "node:sqlite";
import { readEntryRows } from "../restore.ts";
import { Chain } from "./chain.ts";
import { AUDIT_SCHEMA, RECORD_ALL, TRIGGERS } from "./schema.ts";

/**
 * Makes the tables of the audit, and begins the chain with what is in the ledger already: from here on that can't change
 * unseen. A second for some 400,000 entries. Within a transaction.
 */
export function beginAudit(database: DatabaseSync): void {
  database.exec(AUDIT_SCHEMA);
  for (const sql of [...RECORD_ALL, ...TRIGGERS]) database.exec(sql);
  const chain = new Chain(database);
  chain.genesis(readEntryRows(database, { after: 0 }));
  chain.administration();
}
