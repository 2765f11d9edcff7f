import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { Accounts } from "../../src/core/budget/accounts.ts";
import { Budget } from "../../src/core/budget/budget.ts";
import { NOTHING } from "../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import type { LimitRow, Threshold } from "../../src/core/budget/limits.ts";
import { seconds } from "../../src/core/units.ts";
import {
  type Alert,
  insertAlert,
  readAlerts,
  readAlertsDue,
  recordDelivery,
} from "../../src/ledger/alert-table.ts";
import { AlertWatch } from "../../src/ledger/alert-watch.ts";
import { ledgerPath, openDatabase } from "../../src/ledger/database.ts";
import { type Ledger, openLedger } from "../../src/ledger/ledger.ts";
import { writeLimit } from "../../src/ledger/limit-table.ts";
import { collect } from "../../src/ledger/restore.ts";
import { inTransaction } from "../../src/ledger/transaction.ts";
import type { Share } from "../../src/ledger/shares.ts";

const POLL_MS = 10;
const NOON_US = Date.UTC(2026, 2, 28, 12) * 1_000;
const HOUR_US = seconds(3_600);
const notify = (percent: number): Threshold => ({ percent, action: "notify", priority: null });
const LIMIT: LimitRow = {
  account: "global/acme",
  unit: "requests",
  window: "day",
  amount: "10",
  thresholds: [notify(50), notify(80), notify(120), { percent: 90, action: "stop", priority: null }],
};

let stateFolder: string;
beforeEach(() => {
  stateFolder = mkdtempSync(join(tmpdir(), "headgate-alerts-"));
});
afterEach(() => rmSync(stateFolder, { recursive: true, force: true }));

/** Accounts on which requests are made, and what watches them. */
class Desk {
  readonly #shares: Share[] = [];
  readonly #accounts: Accounts;
  readonly watch: AlertWatch;
  #count = 0;

  constructor(tracked: LimitRow[]) {
    const empty = { sequence: 0, clockUs: 0, zones: [], balances: [], holds: [], inDoubt: [] };
    const windows = tracked.filter(({ window }) => window !== "total");
    this.#accounts = new Accounts({ ...empty, tracked: windows }, collect(this.#shares));
    this.watch = new AlertWatch(this.#accounts);
  }

  request(count: number, heldAtUs: number, postedAtUs = heldAtUs): void {
    for (let i = 0; i < count; i++) {
      const hold = `h${this.#count++}`;
      const entry = {
        hold,
        account: "global/acme/alice",
        model: "m",
        overage: null,
        inDoubt: false,
        parts: null,
        heldAtUs,
      };
      const charge = { ...NOTHING, requests: 1 };
      const { sequence } = this.#accounts;
      this.#accounts.apply({
        ...entry,
        operation: "reserve",
        charge,
        sequence: sequence + 1,
        atUs: heldAtUs,
      });
      this.#accounts.apply({ ...entry, operation: "post", charge, sequence: sequence + 2, atUs: postedAtUs });
    }
    this.watch.add(this.#shares.splice(0));
  }

  look(nowUs: number): unknown[] {
    return this.watch
      .look(nowUs)
      .map(({ percent, startUs, posted }) => [
        percent,
        new Date(startUs / 1_000).toISOString().slice(0, 16),
        Number(posted),
      ]);
  }
}

test("each notify threshold is told of once in each instance of the window, with what was posted", () => {
  const desk = new Desk([LIMIT]);
  desk.watch.setLimits([LIMIT], NOON_US);
  desk.request(4, NOON_US);
  assert.deepEqual(desk.look(NOON_US), []);
  desk.request(1, NOON_US);
  assert.deepEqual(desk.look(NOON_US), [[50, "2026-03-28T00:00", 5]]);
  assert.ok(!desk.watch.isAnythingToLookAt);
  desk.request(7, NOON_US + 1);
  assert.deepEqual(desk.look(NOON_US + 2), [
    [80, "2026-03-28T00:00", 12],
    [120, "2026-03-28T00:00", 12],
  ]);
  desk.request(3, NOON_US + 3);
  assert.deepEqual(desk.look(NOON_US + 4), []);
  desk.request(5, NOON_US + 13 * HOUR_US);
  assert.deepEqual(desk.look(NOON_US + 13 * HOUR_US), [[50, "2026-03-29T00:00", 5]]);
});

test("what was reached just before the window ended is told of after it did", () => {
  const desk = new Desk([LIMIT]);
  desk.watch.setLimits([LIMIT], NOON_US);
  desk.look(NOON_US);
  const lateUs = NOON_US + 12 * HOUR_US - 1;
  desk.request(5, lateUs);
  assert.deepEqual(desk.look(lateUs + seconds(1)), [[50, "2026-03-28T00:00", 5]]);
});

test("a limit that is set when its threshold is long passed is told of at once; one that was removed is not", () => {
  const desk = new Desk([LIMIT]);
  desk.request(6, NOON_US);
  desk.watch.setLimits([LIMIT], NOON_US);
  assert.deepEqual(desk.look(NOON_US), [[50, "2026-03-28T00:00", 6]]);
  desk.request(6, NOON_US);
  desk.watch.setLimits([{ ...LIMIT, amount: null, thresholds: [] }], NOON_US);
  assert.deepEqual(desk.look(NOON_US), []);
});

test("a total limit is told of once, a rolling one at most once in each of its lengths", () => {
  const limits: LimitRow[] = [
    { ...LIMIT, window: "total", thresholds: [notify(50)] },
    { ...LIMIT, window: "rolling:600", thresholds: [notify(50)] },
  ];
  const desk = new Desk(limits);
  desk.watch.setLimits(limits, NOON_US);
  let told = 0;
  for (let minute = 0; minute < 60; minute++) {
    desk.request(1, NOON_US + minute * seconds(60));
    told += desk.look(NOON_US + minute * seconds(60)).length;
  }
  // The rolling one: from the fifth minute on, in six lengths of ten minutes.
  assert.equal(told, 1 + 6);
});

test("a threshold is reached by no less than its part of the amount, and by something", () => {
  const limits: LimitRow[] = [
    { ...LIMIT, amount: "1", thresholds: [notify(80)] },
    { ...LIMIT, amount: "3", window: "month", thresholds: [notify(50)] },
    { ...LIMIT, amount: "0", window: "week", thresholds: [notify(100)] },
  ];
  const desk = new Desk(limits);
  const reached = (): string[] => desk.watch.look(NOON_US).map(({ window }) => window);
  desk.watch.setLimits(limits, NOON_US);
  assert.deepEqual(reached(), []);
  desk.request(1, NOON_US);
  assert.deepEqual(reached(), ["day", "week"]);
  desk.request(1, NOON_US);
  assert.deepEqual(reached(), ["month"]);
});

test("an alert is due at once by the machine's clock, though the ledger's is a month ahead of it", () => {
  using database = openDatabase(":memory:");
  const aheadUs = NOON_US + 31 * 24 * HOUR_US;
  const desk = new Desk([LIMIT]);
  desk.watch.setLimits([LIMIT], NOON_US);
  desk.request(5, aheadUs);
  for (const alert of desk.watch.look(NOON_US)) insertAlert(database, alert);
  const [due] = readAlertsDue(database, { nowUs: NOON_US, max: 10 });
  assert.equal(due?.atUs, NOON_US);
  assert.equal(new Date(due.startUs / 1_000).toISOString(), "2026-04-28T00:00:00.000Z");
  // Nor does it matter when the machine's clock is put back after that.
  assert.equal(readAlertsDue(database, { nowUs: NOON_US - 24 * HOUR_US, max: 10 }).length, 1);
});

test("a limit that was raised is told of again when the same part of the new amount is reached", () => {
  using database = openDatabase(":memory:");
  const limit: LimitRow = { ...LIMIT, window: "total", thresholds: [notify(80)] };
  const desk = new Desk([]);
  const told = (): bigint[] => {
    for (const alert of desk.watch.look(NOON_US)) insertAlert(database, alert);
    return readAlerts(database, { max: 10 }).map(({ amount }) => amount);
  };
  desk.watch.setLimits([limit], NOON_US);
  desk.request(8, NOON_US);
  assert.deepEqual(told(), [10n]);
  desk.watch.setLimits([{ ...limit, amount: "20" }], NOON_US);
  assert.deepEqual(told(), [10n]);
  desk.request(8, NOON_US);
  assert.deepEqual(told(), [20n, 10n]);
  // As the thread that writes does when it starts anew.
  desk.watch.setLimits([{ ...limit, amount: "20" }], NOON_US);
  assert.deepEqual(told(), [20n, 10n]);
});

test("of alerts that are settled the latest 10,000 are kept, and the last of each threshold that stands", () => {
  using database = openDatabase(":memory:");
  const standing = { account: "global", unit: "usd", window: "total", percent: 80 } as const;
  const alert = { ...standing, startUs: 0, atUs: 5, amount: 7n, posted: 7n };
  writeLimit(database, { ...standing, amount: "7" });
  inTransaction(database, () => {
    insertAlert(database, { ...alert, amount: 6n });
    insertAlert(database, alert);
    for (let i = 3; i <= 5; i++) insertAlert(database, { ...alert, window: "day", startUs: i });
    for (let i = 6; i <= 10_999; i++) insertAlert(database, { ...alert, window: "minute", startUs: i });
    database.exec("UPDATE alerts SET next_try_us = NULL WHERE id < 5");
    insertAlert(database, { ...alert, window: "minute", startUs: 11_000 });
  });
  const kept = (): unknown[] =>
    database
      .prepare("SELECT id FROM alerts ORDER BY id LIMIT 4")
      .all()
      .map(({ id }) => id);
  // The second stands; what comes after it waits for its delivery.
  assert.deepEqual(kept(), [2, 5, 6, 7]);
  database.exec("UPDATE alerts SET next_try_us = NULL WHERE id > 5");
  inTransaction(database, () => {
    for (let i = 11_001; i <= 21_000; i++) insertAlert(database, { ...alert, window: "minute", startUs: i });
  });
  assert.deepEqual(kept(), [2, 11_001, 11_002, 11_003]);
});

test("an alert stands in the table once, and waits for its delivery until it was delivered or given up", () => {
  using database = openDatabase(":memory:");
  const alert = { account: "global", unit: "usd", window: "day", startUs: 0, percent: 80, atUs: 5 } as const;
  const amount = 2n ** 62n;
  insertAlert(database, { ...alert, amount, posted: amount - 1n });
  insertAlert(database, { ...alert, amount, posted: amount });
  insertAlert(database, { ...alert, startUs: 7, amount, posted: amount });
  const [second, first] = readAlerts(database, { max: 10 }) as [Alert, Alert];
  const waiting = { attempts: 0, nextTryUs: 0, deliveredUs: null };
  assert.deepEqual(first, { ...alert, id: first.id, amount, posted: amount - 1n, ...waiting });
  assert.deepEqual({ ...second, id: 0 }, { ...alert, id: 0, startUs: 7, amount, posted: amount, ...waiting });
  const due = (nowUs: number): number[] => readAlertsDue(database, { nowUs, max: 10 }).map(({ id }) => id);
  assert.deepEqual(due(4), [first.id, second.id]);
  recordDelivery(database, { id: first.id, nextTryUs: 9, deliveredUs: null });
  recordDelivery(database, { id: second.id, nextTryUs: null, deliveredUs: 6 });
  assert.deepEqual(due(8), []);
  assert.deepEqual(due(9), [first.id]);
  assert.deepEqual(
    readAlerts(database, { max: 10 }).map(({ attempts, deliveredUs }) => [attempts, deliveredUs]),
    [
      [1, 6],
      [1, null],
    ],
  );
});

test("a running supervisor raises an alert in its ledger, which the next one does not raise again", async () => {
  setLimit({ ...LIMIT, window: "total" });
  const first = openLedger({ stateFolder, log: pino({ level: "silent" }) });
  const spend = spender(first);
  spend(5);
  while (alerts().length < 1) await sleep(POLL_MS);
  spend(3);
  while (alerts().length < 2) await sleep(POLL_MS);
  spend(1);
  await first.close();
  const second = openLedger({ stateFolder, log: pino({ level: "silent" }) });
  spender(second)(3);
  await second.close();
  assert.deepEqual(
    alerts().map(({ percent, window }) => [percent, window]),
    [
      [120, "total"],
      [80, "total"],
      [50, "total"],
    ],
  );
});

function alerts(): Alert[] {
  using database = openDatabase(ledgerPath(stateFolder));
  return readAlerts(database, { max: 10 });
}

function setLimit(limit: LimitRow): void {
  using database = openDatabase(ledgerPath(stateFolder));
  writeLimit(database, limit);
}

function spender(ledger: Ledger): (requests: number) => void {
  const { state } = ledger.restore();
  const budget = new Budget(state);
  const port = ledger.connect(() => {});
  let count = state.sequence;
  return (requests) => {
    for (let i = 0; i < requests; i++) {
      const nowUs = Date.now() * 1_000;
      const asked = { account: "global/acme/alice", priority: null, charge: { ...NOTHING, requests: 1 } };
      const id = `h${count++}`;
      const reserve = budget.reserve({ id, model: "m" }, asked, nowUs) as LedgerEntry;
      for (const entry of [reserve, budget.post(id, asked.charge, nowUs)]) {
        port.append({ kind: "append_ledger", entry });
      }
    }
  };
}
