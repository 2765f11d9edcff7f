import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { Accounts } from "../../src/core/budget/accounts.ts";
import { Budget } from "../../src/core/budget/budget.ts";
import { NOTHING } from "../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import type { LimitRow } from "../../src/core/budget/limits.ts";
import type { SupervisorEvent } from "../../src/core/events.ts";
import { MICROS_PER_MILLI, type Micros } from "../../src/core/units.ts";
import { ledgerPath, openDatabase } from "../../src/ledger/database.ts";
import { type Ledger, openLedger } from "../../src/ledger/ledger.ts";
import { reportBudgets } from "../../src/ledger/report.ts";
import { readState } from "../../src/ledger/restore.ts";
import { foldAll } from "./folded.ts";

const LIMITING = fileURLToPath(new URL("limiting-process.ts", import.meta.url));
const ACCOUNT = "global/acme/lab/alice";
const CHARGE = { ...NOTHING, nanoUsd: 1_000, inputTokens: 10, outputTokens: 20, requests: 1 };
/** All that begin with a quarter of an hour, so that what is known of them is exact. */
const LIMITS: LimitRow[] = [
  "hour",
  "day",
  "week",
  "month",
  "day@Asia/Kolkata",
  "week@Australia/Lord_Howe",
].flatMap((window) =>
  ["global", "global/acme/lab"].map((account) => ({
    account,
    unit: "usd",
    window,
    amount: "1000000000000000",
  })),
);

let stateFolder: string;
beforeEach(() => {
  stateFolder = mkdtempSync(join(tmpdir(), "headgate-tracking-"));
});
afterEach(() => rmSync(stateFolder, { recursive: true, force: true }));

const nowUs = (): Micros => Date.now() * MICROS_PER_MILLI;

/** A supervisor's ledger and its budget, which spends a little with every turn. */
class Spender {
  readonly ledger: Ledger;
  readonly budget: Budget;
  /** Limits that it was told of while it runs. */
  told = 0;
  readonly #append: (entry: LedgerEntry) => void;
  #count: number;

  constructor() {
    this.ledger = openLedger({ stateFolder, log: pino({ level: "silent" }) });
    const { state, limits } = this.ledger.restore();
    this.#count = state.sequence;
    this.budget = new Budget(state);
    this.budget.setLimits(limits, { zones: [], used: [], through: 0 });
    const port = this.ledger.connect((event) => this.#take(event));
    this.#append = (entry) => port.append({ kind: "append_ledger", entry });
  }

  /** Half of it stays held for a while. */
  async spend(turns: number): Promise<void> {
    for (let i = 0; i < turns; i++) {
      const hold = { id: `h${this.#count++}`, model: "m" };
      const asked = { account: ACCOUNT, priority: null, charge: CHARGE };
      this.#append(this.budget.reserve(hold, asked, nowUs()) as LedgerEntry);
      const open = [...this.budget.holds];
      if (open.length > 10) this.#append(this.budget.post(open[0]!.id, { ...CHARGE, nanoUsd: 900 }, nowUs()));
      await turn();
    }
  }

  #take(event: SupervisorEvent): void {
    if (event.kind === "ledger_durable") this.budget.durable(event.through);
    if (event.kind !== "limits_changed") return;
    this.told += event.limits.length;
    this.budget.setLimits(event.limits, event.known);
  }
}

async function setLimits(limits: LimitRow[]): Promise<void> {
  const args = [LIMITING, ledgerPath(stateFolder), JSON.stringify(limits)];
  const [code] = await once(spawn(process.execPath, args, { stdio: "inherit" }), "exit");
  assert.equal(code, 0);
}

/** That the supervisor, the file and the report say of every limit what all entries since the first add up to. */
async function assertExact(spender: Spender): Promise<void> {
  await spender.ledger.close();
  using database = openDatabase(ledgerPath(stateFolder));
  const atUs = nowUs();
  const state = readState(database);
  const all = foldAll(database, { tracked: LIMITS });
  const restored = new Accounts(state);
  const reported = reportBudgets(database, atUs).limits;
  assert.equal(reported.length, LIMITS.length);
  for (const { account, window } of LIMITS) {
    const expected = all.balance(account, window, atUs);
    const live = spender.budget
      .remainders(account, atUs)
      .find((r) => r.account === account && r.limit.window === window);
    const report = reported.find((r) => r.account === account && r.limit.window === window);
    assert.ok(expected.held.nanoUsd > 0n, window);
    assert.deepEqual(restored.balance(account, window, atUs), expected, `${window} in the file`);
    for (const { posted, held } of [live!, report!]) {
      assert.deepEqual(
        { posted, held },
        { posted: expected.posted.nanoUsd, held: expected.held.nanoUsd },
        window,
      );
    }
  }
}

test("a limit that another process sets in mid-window, while all goes on, counts what was used since it began", async () => {
  const spender = new Spender();
  await spender.spend(3_000);
  const setting = setLimits(LIMITS);
  while (spender.told < LIMITS.length) await spender.spend(1);
  await setting;
  await spender.spend(3_000);
  await assertExact(spender);
});

test("a limit that is set while no supervisor runs counts what was used before, as soon as it is reported or one runs", async () => {
  const first = new Spender();
  await first.spend(1_000);
  await first.ledger.close();
  await setLimits(LIMITS);
  {
    using database = openDatabase(ledgerPath(stateFolder));
    const { posted } = reportBudgets(database, nowUs()).limits.find(({ limit }) => limit.window === "month")!;
    assert.equal(
      posted,
      foldAll(database, { tracked: LIMITS }).balance("global", "month", nowUs()).posted.nanoUsd,
    );
    assert.deepEqual(readState(database).tracked, []);
  }
  const second = new Spender();
  assert.equal(second.ledger.restore().state.tracked.length, LIMITS.length);
  await second.spend(1_000);
  await assertExact(second);
});

test("a limit that was removed is counted no more once a supervisor starts anew, and rightly when it is set again", async () => {
  await setLimits(LIMITS);
  const first = new Spender();
  await first.spend(500);
  await setLimits(LIMITS.map((limit) => ({ ...limit, amount: null })));
  await first.ledger.close();
  const second = new Spender();
  assert.deepEqual(second.ledger.restore().state.tracked, []);
  await second.spend(500);
  await second.ledger.close();
  await setLimits(LIMITS);
  const third = new Spender();
  await third.spend(500);
  await assertExact(third);
});
