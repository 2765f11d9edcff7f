import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Budget } from "../../src/core/budget/budget.ts";
import { type Charge, NOTHING } from "../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import type { LimitRow } from "../../src/core/budget/limits.ts";
import { openLedger } from "../../src/ledger/ledger.ts";
import { createLog } from "../../src/observability/log.ts";
import { figure, type Figure } from "../figures.ts";
import { interleave } from "../interleave.ts";
import type { Size } from "../sizes.ts";
import { rateOf } from "./rate.ts";

/** Five levels deep, with limits on three of them. */
const ACCOUNT = "global/tenant/project/key/agent";
const LIMITS: LimitRow[] = [
  { account: "global", unit: "usd", window: "total", amount: "1000000000000000000" },
  { account: "global/tenant", unit: "usd", window: "day", amount: "1000000000000000000" },
  { account: "global/tenant", unit: "tokens", window: "total", amount: "1000000000000000000" },
  { account: "global/tenant/project/key", unit: "usd", window: "total", amount: "1000000000000000000" },
];
const WORST_CASE: Charge = { ...NOTHING, nanoUsd: 912_000, inputTokens: 200, outputTokens: 256, requests: 1 };
const USED: Charge = { ...NOTHING, nanoUsd: 328_000, inputTokens: 200, outputTokens: 64, requests: 1 };

/** Holds under way at the same time: entries become durable in groups, and these wait for theirs together. */
const LANES = 64;
const MS_PER_SECOND = 1_000;

const STORES = ["memory", "durable"] as const;

/** A place for holds; `measure` takes and posts them for at least that long, and returns how many a second. */
interface Store {
  measure(measureMs: number): Promise<number>;
  close(): Promise<void>;
}

/** Holds that are taken and posted, a second: in the core alone, and through the durable ledger. */
export async function ledgerFigures({ rounds, core }: Size): Promise<Figure[]> {
  const stores: Record<(typeof STORES)[number], Store> = { memory: inMemory(), durable: onDisk() };
  try {
    const measured = await interleave(rounds, STORES, (store) => stores[store].measure(core.measureMs));
    return [figure({ what: "ledger: reserve and post", unit: "1/s", rounds: measured })];
  } finally {
    for (const store of STORES) await stores[store].close();
  }
}

function inMemory(): Store {
  const holds = new Holds(new Budget());
  return {
    measure: async (measureMs) =>
      rateOf(() => {
        const { hold, atUs } = holds.reserve();
        holds.durable(holds.post(hold, atUs).sequence);
      }, measureMs),
    close: async () => {},
  };
}

/** As a supervisor does it: a hold is used, and then posted, once its `reserve` would survive a crash. */
function onDisk(): Store {
  const folder = mkdtempSync(join(tmpdir(), "headgate-bench-"));
  const ledger = openLedger({ stateFolder: join(folder, "state"), log: createLog("silent") });
  const holds = new Holds(new Budget(ledger.restore().state));
  const waiting: { sequence: number; resolve: () => void }[] = [];
  const port = ledger.connect((event) => {
    if (event.kind !== "ledger_durable") return;
    holds.durable(event.through);
    while (waiting[0] !== undefined && waiting[0].sequence <= event.through) waiting.shift()!.resolve();
  });
  const reserveAndPost = async (): Promise<void> => {
    const entry = holds.reserve();
    port.append({ kind: "append_ledger", entry });
    await new Promise<void>((resolve) => waiting.push({ sequence: entry.sequence, resolve }));
    port.append({ kind: "append_ledger", entry: holds.post(entry.hold, entry.atUs) });
  };
  return {
    measure: async (measureMs) => {
      const startMs = performance.now();
      let count = 0;
      const lane = async (): Promise<void> => {
        for (; performance.now() - startMs < measureMs; count++) await reserveAndPost();
      };
      await Promise.all(Array.from({ length: LANES }, lane));
      return (count * MS_PER_SECOND) / (performance.now() - startMs);
    },
    close: async () => {
      await ledger.close();
      rmSync(folder, { recursive: true });
    },
  };
}

/** Holds on one account, one after the other. */
class Holds {
  readonly #budget: Budget;
  #count = 0;

  constructor(budget: Budget) {
    this.#budget = budget;
    budget.setLimits(LIMITS, { zones: [], used: [], through: 0 });
  }

  reserve(): LedgerEntry {
    const hold = { id: `r${++this.#count}/0:0`, model: "headgate-0.3m" };
    const asked = { account: ACCOUNT, priority: null, charge: WORST_CASE };
    const entry = this.#budget.reserve(hold, asked, this.#count);
    if ("sequence" in entry) return entry;
    throw new Error(`${entry.account} has no room`);
  }

  post(hold: string, nowUs: number): LedgerEntry {
    return this.#budget.post(hold, USED, nowUs);
  }

  durable(through: number): void {
    this.#budget.durable(through);
  }
}
