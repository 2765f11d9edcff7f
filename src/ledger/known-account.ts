import type { DatabaseSync } from "node:sqlite";

/** Whether some key spends under the account, or anything was ever spent under it; the root always counts as known. */
export function isKnownAccount(database: DatabaseSync, account: string): boolean {
  const [, tenant, key] = account.split("/");
  if (tenant === undefined) return true;
  const hasKey = database
    .prepare("SELECT 1 FROM keys WHERE tenant = :tenant AND (:name IS NULL OR name = :name)")
    .get({ tenant, name: key ?? null });
  if (hasKey !== undefined) return true;
  // "0" is what follows "/": all accounts below, by the index on names.
  const hasSpent = database
    .prepare(
      "SELECT 1 FROM accounts WHERE name = :account OR (name > :account || '/' AND name < :account || '0')",
    )
    .get({ account });
  return hasSpent !== undefined;
}
