import { GroupCommit } from "../../src/ledger/group-commit.ts";
import type { Submit } from "../../src/supervisor/loop.ts";
import type { LedgerPort } from "../../src/supervisor/ports.ts";

/** A ledger for tests of what comes before and after it: entries are durable at once and gone with the process. */
export function createVolatileLedger(submit: Submit): LedgerPort {
  return new GroupCommit({ write: (_group, done) => done(null), defer: (callback) => callback() }, submit);
}
