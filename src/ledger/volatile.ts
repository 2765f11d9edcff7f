import type { Submit } from "../supervisor/loop.ts";
import type { LedgerPort } from "../supervisor/ports.ts";

/**
 * A ledger that lives as long as its process: every entry counts as durable at once. It keeps
 * the order of things (no dispatch before its hold) where there is no money at stake yet.
 */
export function createVolatileLedger(submit: Submit): LedgerPort {
  return {
    append({ entry }) {
      if (entry.operation === "reserve") submit({ kind: "ledger_durable", through: entry.sequence });
    },
  };
}
