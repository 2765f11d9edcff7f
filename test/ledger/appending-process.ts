import { writeSync } from "node:fs";
import { pino } from "pino";
import { Budget } from "../../src/core/budget/budget.ts";
import { NOTHING } from "../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import { openLedger } from "../../src/ledger/ledger.ts";

/**
 * Reserves and posts without end in the ledger of the folder named by its argument, and writes the
 * sequence of what is durable to standard output, one a line. It is meant to be killed.
 */
const AT_ONCE = 20;
const charge = { ...NOTHING, nanoUsd: 1_000, inputTokens: 10, outputTokens: 20, requests: 1 };

const ledger = openLedger({ stateFolder: process.argv[2]!, log: pino({ level: "silent" }) });
const { state } = ledger.restore();
const budget = new Budget(state);
const open: LedgerEntry[] = [];
let count = state.sequence;

const port = ledger.connect((event) => {
  if (event.kind !== "ledger_durable") return;
  writeSync(1, `${event.through}\n`);
  while (open.length > 0 && open[0]!.sequence <= event.through) {
    append(budget.post(open.shift()!.hold, { ...charge, nanoUsd: 900 }, nowUs()));
    reserve();
  }
});

function append(entry: LedgerEntry): void {
  port.append({ kind: "append_ledger", entry });
}

function reserve(): void {
  const asked = { account: `global/acme/key${count % 7}`, priority: null, charge };
  const entry = budget.reserve({ id: `h${count++}`, model: "m" }, asked, nowUs()) as LedgerEntry;
  open.push(entry);
  append(entry);
}

function nowUs(): number {
  return Date.now() * 1_000;
}

for (const { id } of budget.holds) append(budget.postInDoubt(id, nowUs()));
for (let i = 0; i < AT_ONCE; i++) reserve();
