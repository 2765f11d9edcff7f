import type { DatabaseSync } from "node:sqlite";
import { LEVELS_MAX, OWN_LEVELS_MAX, parentOf, ROOT, shortName } from "../keys/account-path.ts";
import { countKeys, createKey, type KeyRole } from "../keys/key-table.ts";
import { inTransaction } from "../ledger/transaction.ts";
import { writeLimit } from "../ledger/limit-table.ts";
import { type LimitTerms, TermError } from "./terms.ts";

/** All are kept in a supervisor's memory. */
const KEYS_MAX = 100_000;

/** Another key stands where one was to be made. */
export class TakenError extends Error {
  override name = "TakenError";
  /** Its account. */
  readonly conflict: string;

  constructor(account: string, conflict: string) {
    super(
      account === conflict
        ? `There is a key ${shortName(account)} already. Choose another name.`
        : `There can be no key ${shortName(account)} beside the key ${shortName(conflict)}: a key has no keys below it. Choose another name.`,
    );
    this.conflict = conflict;
  }
}

export function unknownKey(account: string): Error {
  return new Error(`There is no key ${shortName(account)}. \`headgate keys list\` lists them.`);
}

export interface NewKey {
  account: string;
  role: KeyRole;
  limits: readonly LimitTerms[];
  /** Who is said to have set the limits; the user of this process if absent. */
  by?: string;
}

/**
 * Makes a key and its limits together, so that nobody ever sees it without them, and returns its secret. Throws a
 * `TermError` for what can be no key's account, and a `TakenError` where another key stands there.
 */
export function newKey(database: DatabaseSync, { account, role, limits, by }: NewKey): string {
  if (account.split("/").length > LEVELS_MAX - OWN_LEVELS_MAX) {
    throw new TermError("account", `a key's account has at most ${LEVELS_MAX - OWN_LEVELS_MAX} levels`);
  }
  if (role === "spend" && parentOf(account) === ROOT) {
    throw new TermError("account", "a key that spends belongs to a tenant, such as acme: name one");
  }
  assertLimits(role, limits);
  return inTransaction(database, () => {
    if (countKeys(database) >= KEYS_MAX) {
      throw new TermError("account", `there are ${KEYS_MAX} keys already; give one of them a new secret`);
    }
    const created = createKey(database, { account, role });
    if (typeof created !== "string") throw new TakenError(account, created.conflict);
    for (const terms of limits) writeLimit(database, { account, ...terms }, by === undefined ? {} : { by });
    return created;
  });
}

/** A limit on what never spends limits nothing, and of two for one window only the latter would be kept. */
function assertLimits(role: KeyRole, limits: readonly LimitTerms[]): void {
  if (role !== "spend" && limits.length > 0) {
    throw new TermError("limits", `a key with the role ${role} spends nothing: leave its limits out`);
  }
  const places = new Set<string>();
  for (const { unit, window } of limits) {
    const place = `${unit} (${window})`;
    if (places.has(place)) throw new TermError("limits", `the limit on ${place} is given twice`);
    places.add(place);
  }
}
