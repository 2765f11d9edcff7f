import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { type Asked, Budget } from "../../src/core/budget/budget.ts";
import { NOTHING } from "../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import type { SupervisorEvent } from "../../src/core/events.ts";
import { createKey, rotateKey, setKeyEnabled } from "../../src/keys/key-table.ts";
import { createStateFolder, ledgerPath, openDatabase } from "../../src/ledger/database.ts";
import { type Ledger, openLedger } from "../../src/ledger/ledger.ts";
import { readLimits, writeLimit } from "../../src/ledger/limit-table.ts";
import { readEntries, readState } from "../../src/ledger/restore.ts";
import { inTransaction } from "../../src/ledger/transaction.ts";
import { foldAll, sorted, withoutPast } from "./folded.ts";

const APPENDING = fileURLToPath(new URL("appending-process.ts", import.meta.url));
const POLL_MS = 10;
const charge = { ...NOTHING, nanoUsd: 1_000, inputTokens: 10, outputTokens: 20, requests: 1 };
const asked = (account: string): Asked => ({ account, priority: null, charge });

let stateFolder: string;
beforeEach(() => {
  stateFolder = join(mkdtempSync(join(tmpdir(), "headgate-ledger-")), "state");
});
afterEach(() => rmSync(join(stateFolder, ".."), { recursive: true, force: true }));

/** A ledger of this process, and what its port has submitted. */
function open(options: { closeMsMax?: number } = {}): {
  ledger: Ledger;
  events: SupervisorEvent[];
  append: (entry: object) => void;
} {
  const ledger = openLedger({ ...options, stateFolder, log: pino({ level: "silent" }) });
  const events: SupervisorEvent[] = [];
  const port = ledger.connect((event) => void events.push(event));
  return {
    ledger,
    events,
    append: (entry) => port.append({ kind: "append_ledger", entry: entry as LedgerEntry }),
  };
}

/** Works on the file as a command of another process would. */
function asOther<T>(work: (database: DatabaseSync) => T): T {
  const database = openDatabase(ledgerPath(stateFolder));
  try {
    return work(database);
  } finally {
    database.close();
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(POLL_MS);
}

test("what was durable survives kill -9, and nothing is there by half", async () => {
  for (const enough of [40, 500, 3_000, 9_000]) {
    const child = spawn(process.execPath, [APPENDING, stateFolder], { stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(child, "exit");
    let durable = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      durable = Number(line);
      if (durable >= enough) child.kill("SIGKILL");
    }
    await ended;
    asOther((database) => {
      const entries = [...readEntries(database, { after: 0 })];
      assert.ok(durable >= enough && entries.length >= durable, `${entries.length} of ${durable}`);
      assert.deepEqual(
        entries.map(({ sequence }) => sequence),
        entries.map((_, i) => i + 1),
      );
      const state = readState(database);
      assert.deepEqual(sorted(withoutPast(state)), sorted(withoutPast(foldAll(database, state).state)));
    });
  }
});

test("a ledger has one supervisor; what it wrote is there for the next one", async () => {
  const first = open();
  assert.throws(() => open(), /Another supervisor is using .*Stop it/);
  assert.equal(statSync(stateFolder).mode & 0o777, 0o700);
  const budget = new Budget(first.ledger.restore().state);
  const nowUs = Date.now() * 1_000;
  first.append(budget.reserve({ id: "r/0:0", model: "m" }, asked("global/acme"), nowUs));
  await until(() => first.events.length > 0);
  assert.deepEqual(first.events, [{ kind: "ledger_durable", through: 1 }]);
  first.append(budget.post("r/0:0", charge, nowUs));
  await first.ledger.close();

  const second = open();
  const { state } = second.ledger.restore();
  assert.equal(state.sequence, 2);
  assert.deepEqual(state.holds, []);
  assert.equal(state.balances.find(({ account }) => account === "global")?.nanoUsd, "1000");
  await second.ledger.close();
});

test("limits that are set beside a running supervisor reach it, and every change is kept", async () => {
  const { ledger, events } = open();
  const limit = { account: "global/acme", unit: "usd", window: "day" } as const;
  asOther((database) => assert.ok(writeLimit(database, { ...limit, amount: "5000000000" })));
  await until(() => events.length === 1);
  asOther((database) => assert.ok(writeLimit(database, { ...limit, amount: null })));
  await until(() => events.length === 2);
  const known = { zones: [], used: [], through: 0 };
  assert.deepEqual(events, [
    { kind: "limits_changed", limits: [{ ...limit, amount: "5000000000" }], known },
    { kind: "limits_changed", limits: [{ ...limit, amount: null }], known },
  ]);
  asOther((database) => {
    assert.ok(!writeLimit(database, { ...limit, amount: null }), "nothing to remove");
    const changes = database.prepare("SELECT amount_before, amount_after FROM limit_changes").all();
    assert.deepEqual(
      changes.map((row) => [row["amount_before"], row["amount_after"]]),
      [
        [null, 5_000_000_000],
        [5_000_000_000, null],
      ],
    );
  });
  await ledger.close();
});

test("limits that were set before are there from the beginning; those that were removed are not", async () => {
  const first = open();
  const limit = { account: "global", unit: "tokens", window: "total" } as const;
  asOther((database) => {
    writeLimit(database, { ...limit, amount: "9223372036854775807" });
    writeLimit(database, { ...limit, window: "day", amount: "7" });
    writeLimit(database, { ...limit, window: "day", amount: null });
    assert.equal(readLimits(database, { after: 0 }).limits.length, 2);
  });
  await first.ledger.close();
  const second = open();
  assert.deepEqual(second.ledger.restore().limits, [{ ...limit, amount: "9223372036854775807" }]);
  await second.ledger.close();
});

test("a key works as soon as it was created, and no longer than it should", async () => {
  const { ledger } = open();
  const { keys } = ledger;
  const alice = { account: "global/acme/alice", role: "spend" } as const;
  const owner = { account: alice.account, tenant: "acme", key: "alice", role: "spend" };
  assert.ok(keys.isEmpty);
  const secret = asOther((database) => createKey(database, alice)) as string;
  assert.deepEqual(keys.find(secret), owner);
  assert.deepEqual(
    asOther((database) => createKey(database, alice)),
    { conflict: alice.account },
  );
  asOther((database) => setKeyEnabled(database, alice.account, false));
  await until(() => keys.find(secret) === null);
  asOther((database) => setKeyEnabled(database, alice.account, true));
  await until(() => keys.find(secret) !== null);
  const next = asOther((database) => rotateKey(database, alice.account))!;
  assert.deepEqual(keys.find(next), owner);
  assert.equal(keys.find(secret), null);
  await ledger.close();
});

test("a key that can't be looked for because the file can't be read is unknown, and found again later", async () => {
  const { ledger } = open();
  const secret = asOther((database) =>
    createKey(database, { account: "global/acme/alice", role: "spend" }),
  ) as string;
  asOther((database) => database.exec("ALTER TABLE keys RENAME TO away"));
  assert.equal(ledger.keys.find(secret), null);
  asOther((database) => database.exec("ALTER TABLE away RENAME TO keys"));
  assert.equal(ledger.keys.find(secret)?.account, "global/acme/alice");
  await ledger.close();
});

test("a limit that was found with a key, while the thread that writes could not count it, is counted once it can", async () => {
  const { ledger, events, append } = open();
  const budget = new Budget(ledger.restore().state);
  const tracked = (): number => asOther((database) => readState(database).tracked.length);
  asOther((database) =>
    database.exec("CREATE TRIGGER full BEFORE INSERT ON tracked BEGIN SELECT RAISE(ABORT, 'disk full'); END"),
  );
  const secret = asOther((database) =>
    inTransaction(database, () => {
      writeLimit(database, { account: "global/acme/alice", unit: "usd", window: "day", amount: "5" });
      return createKey(database, { account: "global/acme/alice", role: "spend" });
    }),
  ) as string;
  assert.equal(ledger.keys.find(secret)?.account, "global/acme/alice");
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ["limits_changed"],
  );
  append(budget.reserve({ id: "a", model: "m" }, asked("global/acme/alice"), Date.now() * 1_000));
  await until(() => ledger.trouble() !== null);
  assert.equal(tracked(), 0);
  asOther((database) => database.exec("DROP TRIGGER full"));
  await until(() => tracked() === 1);
  await ledger.close();
});

test("a key whose limits come with one that has to be added up is unknown until the thread that writes has done so", async () => {
  const { ledger, events, append } = open();
  const budget = new Budget(ledger.restore().state);
  const nowUs = Date.now() * 1_000;
  append(budget.reserve({ id: "a", model: "m" }, asked("global/acme/bob"), nowUs));
  append(budget.post("a", charge, nowUs));
  await until(() => asOther((database) => readState(database).sequence === 2));
  asOther((database) =>
    database.exec("CREATE TRIGGER full BEFORE INSERT ON tracked BEGIN SELECT RAISE(ABORT, 'disk full'); END"),
  );
  const limit = { unit: "usd", window: "month", amount: "5" } as const;
  const secret = asOther((database) =>
    inTransaction(database, () => {
      writeLimit(database, { ...limit, account: "global/acme" });
      writeLimit(database, { ...limit, account: "global/acme/alice" });
      return createKey(database, { account: "global/acme/alice", role: "spend" });
    }),
  ) as string;
  assert.equal(ledger.keys.find(secret), null);
  assert.deepEqual(
    events.filter(({ kind }) => kind === "limits_changed"),
    [],
  );
  asOther((database) => database.exec("DROP TRIGGER full"));
  await until(() => ledger.keys.find(secret) !== null);
  const told = events.find((event) => event.kind === "limits_changed")!;
  assert.equal(told.limits.length, 2);
  assert.deepEqual(
    told.known.used.map(({ account, nanoUsd }) => [account, nanoUsd]),
    [["global/acme", "1000"]],
  );
  await ledger.close();
});

test("what could not be written at the end is said, and the file is free for the next", async () => {
  const { ledger, append } = open({ closeMsMax: 300 });
  const budget = new Budget(ledger.restore().state);
  asOther((database) =>
    database.exec("CREATE TRIGGER full BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'disk full'); END"),
  );
  append(budget.reserve({ id: "a", model: "m" }, asked("global"), Date.now() * 1_000));
  await until(() => ledger.trouble() !== null);
  await assert.rejects(ledger.close(), /The last 1 ledger entries could not be written \(disk full\)/);
  await open().ledger.close();
});

test("while the file can't be written nothing counts as durable, and then everything does, in order", async () => {
  const { ledger, events, append } = open();
  const budget = new Budget(ledger.restore().state);
  const reserve = (id: string): void => {
    append(budget.reserve({ id, model: "m" }, asked("global/acme"), Date.now() * 1_000));
  };
  asOther((database) =>
    database.exec("CREATE TRIGGER full BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'disk full'); END"),
  );
  reserve("a");
  await until(() => ledger.trouble() !== null);
  assert.match(ledger.trouble()!, /can't be written: .*disk full/);
  reserve("b");
  assert.equal(events.length, 0);
  asOther((database) => database.exec("DROP TRIGGER full"));
  await until(() => events.some((event) => event.kind === "ledger_durable" && event.through === 2));
  assert.equal(ledger.trouble(), null);
  await ledger.close();
  asOther((database) => {
    assert.deepEqual(
      [...readEntries(database, { after: 0 })].map(({ hold }) => hold),
      ["a", "b"],
    );
  });
});

test("a file of a later version, or of something else, is left alone", () => {
  createStateFolder(stateFolder);
  asOther((database) => database.exec("PRAGMA user_version = 99"));
  assert.throws(() => open(), /made by a later version of Headgate/);
  rmSync(ledgerPath(stateFolder));
  const foreign = new DatabaseSync(ledgerPath(stateFolder));
  foreign.exec("CREATE TABLE recipes (name TEXT)");
  foreign.close();
  assert.throws(() => open(), /is not a ledger of Headgate/);
});
