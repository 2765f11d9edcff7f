import type { DatabaseSync } from "node:sqlite";

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

/** Everything that `read` reads is as of the same commit, while others write. Within a transaction it is a part of that one. */
export function consistently<T>(database: DatabaseSync, read: () => T): T {
  if (database.isTransaction) return read();
  database.exec("BEGIN");
  try {
    return read();
  } finally {
    // A failed read may have rolled back by itself.
    if (database.isTransaction) database.exec("COMMIT");
  }
}
