import { Budget } from "../../src/core/budget/budget.ts";
import { type Charge, NOTHING } from "../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import type { LimitRow } from "../../src/core/budget/limits.ts";
import { Random } from "../../src/core/random.ts";
import { MICROS_PER_MILLI, seconds } from "../../src/core/units.ts";
import { createKey } from "../../src/keys/key-table.ts";
import { Chain } from "../../src/ledger/audit/chain.ts";
import { createStateFolder, ledgerPath, openDatabase } from "../../src/ledger/database.ts";
import { toFields } from "../../src/ledger/entry-fields.ts";
import { EntryWriter } from "../../src/ledger/entry-writer.ts";
import { writeLimit } from "../../src/ledger/limit-table.ts";
import { inTransaction } from "../../src/ledger/transaction.ts";
import { NEVER_BINDS } from "../data-plane/configuration.ts";
import type { StartUpSize } from "../sizes.ts";

const LIMIT = { unit: "usd", window: "month@Europe/Berlin", amount: NEVER_BINDS.usd } as const;
const HELD: Charge = { ...NOTHING, nanoUsd: 912_000, inputTokens: 200, outputTokens: 256, requests: 1 };
const USED: Charge = { ...NOTHING, nanoUsd: 328_000, inputTokens: 200, outputTokens: 64, requests: 1 };
const ENTRIES_PER_GROUP = 256;
/** Over so long the entries were spread until now: several months' windows. */
const HISTORY_US = seconds(100 * 86_400);

export interface Filled {
  accounts: number;
  /** Of a key on the lowest level. */
  key: string;
}

/**
 * A ledger as a supervisor leaves it that is killed: its limits, chain and summaries as that writes them, and what came since the
 * last summary not added up. Only the disk is not waited for.
 */
export function fillLedger(stateFolder: string, { entries, branches }: StartUpSize): Filled {
  createStateFolder(stateFolder);
  const database = openDatabase(ledgerPath(stateFolder));
  try {
    database.exec("PRAGMA synchronous = OFF");
    const levels = [["global"]];
    for (const width of branches) levels.push(levels.at(-1)!.flatMap((above) => childrenOf(above, width)));
    const accounts = levels.flat();
    for (const account of accounts) writeLimit(database, { account, ...LIMIT } satisfies LimitRow);
    const leaves = levels.at(-1)!;
    const key = createKey(database, { account: leaves[0]!, role: "spend" });
    if (typeof key !== "string") throw new Error(`${stateFolder} has been used before`);
    const untilUs = Date.now() * MICROS_PER_MILLI;
    const writer = new EntryWriter(database, new Chain(database));
    inTransaction(database, () => writer.track({ after: 0, nowUs: untilUs - HISTORY_US }));
    for (const group of groupsOf(history(leaves, { entries, untilUs }))) writer.write(toFields(group));
    return { accounts: accounts.length, key };
  } finally {
    database.close();
  }
}

/** Holds that are posted, one after the other, on accounts in no order. */
function* history(
  leaves: readonly string[],
  { entries, untilUs }: { entries: number; untilUs: number },
): Generator<LedgerEntry> {
  const random = new Random(1);
  const budget = new Budget();
  for (let i = 0; i < entries; i += 2) {
    const nowUs = untilUs - HISTORY_US + Math.floor((HISTORY_US * i) / entries);
    const id = `r${i}/0:0`;
    const asked = { account: random.pick(leaves), priority: null, charge: HELD };
    const reserved = budget.reserve({ id, model: "bench" }, asked, nowUs);
    if ("limit" in reserved) throw new Error(`${reserved.account} has no room`);
    yield reserved;
    const posted = budget.post(id, USED, nowUs);
    budget.durable(posted.sequence);
    yield posted;
  }
}

function* groupsOf(entries: Iterable<LedgerEntry>): Generator<LedgerEntry[]> {
  let group: LedgerEntry[] = [];
  for (const entry of entries) {
    group.push(entry);
    if (group.length < ENTRIES_PER_GROUP) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

function childrenOf(above: string, width: number): string[] {
  return Array.from({ length: width }, (_, i) => `${above}/account-${i}`);
}
