import { mkdtempSync, rmSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Budget } from "../../src/core/budget/budget.ts";
import { type Charge, NOTHING } from "../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import { MICROS_PER_MILLI } from "../../src/core/units.ts";
import { ledgerPath, openDatabase } from "../../src/ledger/database.ts";
import { toFields } from "../../src/ledger/entry-fields.ts";
import { EntryWriter } from "../../src/ledger/entry-writer.ts";
import { readState } from "../../src/ledger/restore.ts";

/** What was used, and when it was let through: an instant as `Date.parse` takes it. */
export interface Spent extends Partial<Charge> {
  at: string;
  model?: string;
  /** Posted in full because nobody knows what was used. */
  inDoubt?: boolean;
  /** So much of its nano-USD is beyond what was held. */
  overageNanoUsd?: number;
}

/** A real ledger in a folder of its own. */
export class LedgerFile {
  readonly folder = mkdtempSync(join(tmpdir(), "headgate-ledger-"));
  readonly path = ledgerPath(this.folder);
  readonly database: DatabaseSync = openDatabase(this.path);
  #holds = 0;

  /** Holds and posts it, in order of time. */
  spend(account: string, { at, model = "m", inDoubt = false, overageNanoUsd = 0, ...charge }: Spent): void {
    const budget = new Budget(readState(this.database));
    const nowUs = Date.parse(at) * MICROS_PER_MILLI;
    const used: Charge = { ...NOTHING, requests: 1, ...charge };
    const least: Charge = { ...used, nanoUsd: used.nanoUsd - overageNanoUsd };
    const id = `r${(this.#holds += 1)}/0:0`;
    const held = budget.reserve({ id, model }, { account, priority: null, charge: least }, nowUs);
    const posted = inDoubt ? budget.postInDoubt(id, nowUs) : budget.post(id, used, nowUs);
    new EntryWriter(this.database).write(toFields([held as LedgerEntry, posted]));
  }

  close(): void {
    this.database.close();
    rmSync(this.folder, { recursive: true });
  }
}
