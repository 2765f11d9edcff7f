import type { DatabaseSync } from "node:sqlite";

/** Names of an account and all below it: "0" is what follows "/", so that an index on names finds them. */
export function subtree(column: string): string {
  return `(${column} = :account OR (${column} > :account || '/' AND ${column} < :account || '0'))`;
}

/** Whether some key spends under the account, or anything was ever spent under it; the root always counts as known. */
export function isKnownAccount(database: DatabaseSync, account: string): boolean {
  if (!account.includes("/")) return true;
  const isWithKeys = database.prepare(`SELECT 1 FROM keys WHERE ${subtree("account")}`).get({ account });
  return isWithKeys !== undefined || isCharged(database, account);
}

/** Whether any entry was ever written for the account or one below it. */
export function isCharged(database: DatabaseSync, account: string): boolean {
  return database.prepare(`SELECT 1 FROM accounts WHERE ${subtree("name")}`).get({ account }) !== undefined;
}
