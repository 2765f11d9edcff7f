import type { DatabaseSync } from "node:sqlite";
import { Option } from "commander";
import { loadStateFolder } from "../config/load.ts";
import { createStateFolder, ledgerPath, openDatabase } from "../ledger/database.ts";

/** Options that every command on the ledger's file has. */
export interface LedgerArguments {
  config: string;
  json?: boolean;
}

export function configOption(): Option {
  return new Option("-c, --config <file>", "configuration, which says where the ledger is").default(
    "headgate.yaml",
  );
}

/** Opens the ledger that the configuration names, whether a supervisor is running or not, and closes it after the work. */
export function withLedger<T>({ config: path }: LedgerArguments, work: (database: DatabaseSync) => T): T {
  const folder = loadStateFolder(path);
  createStateFolder(folder);
  const database = openDatabase(ledgerPath(folder), { tell: (words) => console.error(words) });
  try {
    return work(database);
  } finally {
    database.close();
  }
}
