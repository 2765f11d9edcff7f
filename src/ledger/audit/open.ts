import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { SCHEMA_VERSION } from "../schema.ts";

/** As it stands, to look into and not to change; a supervisor may be writing to it. Throws for what is no ledger with an audit. */
export function openToAudit(path: string): DatabaseSync {
  if (!existsSync(path)) throw new Error(`There is no ledger at ${path}.`);
  const database = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
  try {
    const version = versionOf(database, path);
    if (version === SCHEMA_VERSION) return database;
    throw new Error(
      `${path} is of another version of Headgate (its schema is ${String(version)}, this one reads ${SCHEMA_VERSION}). Verify it with that one; an earlier ledger is brought up to this one, and stays verifiable, when a supervisor or \`headgate budgets\` opens it, which keeps a copy.`,
    );
  } catch (error) {
    database.close();
    throw error;
  }
}

function versionOf(database: DatabaseSync, path: string): unknown {
  try {
    return database.prepare("PRAGMA user_version").get()!["user_version"];
  } catch (error) {
    throw new Error(
      `${path} can't be read as a ledger (${(error as Error).message}). Give the path of a \`ledger.db\`, or of a copy of one.`,
      { cause: error },
    );
  }
}
