import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { NOTHING } from "../../src/core/budget/charge.ts";
import type { LedgerState } from "../../src/core/budget/accounts.ts";
import { createKey, setKeyEnabled } from "../../src/keys/key-table.ts";
import { openToAudit } from "../../src/ledger/audit/open.ts";
import { publicKeyPem, verifierOf } from "../../src/ledger/audit/signing-key.ts";
import { verifyLedger } from "../../src/ledger/audit/verify.ts";
import { ledgerPath, openDatabase } from "../../src/ledger/database.ts";
import { openLedger } from "../../src/ledger/ledger.ts";
import { writeLimit } from "../../src/ledger/limit-table.ts";
import { readEntries } from "../../src/ledger/restore.ts";
import { openSharedLedger, type SharedLedger } from "../../src/ledger/shared/shared-ledger.ts";
import { inTransaction } from "../../src/ledger/transaction.ts";
import { foldAll, sorted, withoutPast } from "./folded.ts";
import { TestReplica, until } from "./replica.ts";

const KEEPING = fileURLToPath(new URL("keeping-process.ts", import.meta.url));
const charge = { ...NOTHING, nanoUsd: 1_000, inputTokens: 10, outputTokens: 20, requests: 1 };
const half = { ...charge, nanoUsd: 500, outputTokens: 10 };
const ALICE = "global/acme/alice";
const FULL = "CREATE TRIGGER full BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'disk full'); END";

let stateFolder: string;
beforeEach(() => {
  stateFolder = mkdtempSync(join(tmpdir(), "headgate-keeper-"));
});
afterEach(() => rmSync(stateFolder, { recursive: true, force: true }));

function openShared(): SharedLedger {
  return openSharedLedger({ stateFolder, log: pino({ level: "silent" }), onSilent: assert.fail });
}

/** One that does not wait long for what can't be confirmed any more, because it was cut off. */
function mortal(keeper: SharedLedger, name: string): Promise<TestReplica> {
  return TestReplica.join(keeper, name, { stateFolder, closeMsMax: 100 });
}

function replica(keeper: SharedLedger, name: string): Promise<TestReplica> {
  return TestReplica.join(keeper, name, { stateFolder, closeMsMax: 10_000 });
}

/** Works on the file as a command of another process would. */
function asOther<T>(work: (database: DatabaseSync) => T): T {
  using database = openDatabase(ledgerPath(stateFolder));
  return work(database);
}

/** What a supervisor alone makes of the file; the file is in order, and says what its entries add up to. */
async function readAlone(): Promise<LedgerState> {
  const alone = openLedger({ stateFolder, log: pino({ level: "silent" }) });
  const { state } = alone.restore();
  await alone.close();
  asOther((database) => {
    assert.deepEqual(sorted(withoutPast(state)), sorted(withoutPast(foldAll(database, state).state)));
  });
  using audited = openToAudit(ledgerPath(stateFolder));
  const verifiers = [verifierOf(publicKeyPem(stateFolder)!)];
  const verdict = verifyLedger(audited, { verifiers, kept: null });
  assert.equal(verdict.problem, null);
  assert.equal(verdict.walk?.entries, state.sequence);
  return state;
}

function isLimited({ events }: TestReplica): boolean {
  return events.some(({ kind }) => kind === "limits_changed");
}

function postedBy(state: LedgerState, account: string): string | undefined {
  return state.balances.find((row) => row.account === account && row.window === "total")?.nanoUsd;
}

test("entries of two replicas get one position each, and each is told of its own numbers what is durable", async () => {
  const keeper = openShared();
  const [a, b] = [await replica(keeper, "a"), await replica(keeper, "b")];
  for (let i = 0; i < 40; i++) {
    await a.hold(`a${i}`, ALICE, charge);
    if (i % 2 === 0) await b.hold(`b${i}`, "global/acme/bob", charge);
    a.post(`a${i}`, half);
  }
  await until(() => a.durable === 80 && b.durable === 20);
  assert.equal(keeper.openHolds, 20);
  for (let i = 0; i < 40; i += 2) b.post(`b${i}`, half);
  await Promise.all([a.leave(keeper), b.leave(keeper)]);
  await keeper.close();
  asOther((database) => {
    const entries = [...readEntries(database, { after: 0 })];
    assert.deepEqual(
      entries.map(({ sequence }) => sequence),
      Array.from({ length: 120 }, (_, i) => i + 1),
    );
    // Each one's in its own order.
    const holds = entries.filter(({ hold, operation }) => hold.startsWith("b") && operation === "reserve");
    assert.deepEqual(
      holds.map(({ hold }) => hold),
      Array.from({ length: 20 }, (_, i) => `b${2 * i}`),
    );
  });
  const state = await readAlone();
  assert.deepEqual(state.holds, []);
  assert.equal(postedBy(state, "global"), `${60 * 500}`);
});

test("two replicas spend a limit to the last cent, and not one more", async () => {
  asOther((database) =>
    writeLimit(database, { account: "global", unit: "usd", window: "month", amount: "10000" }),
  );
  const keeper = openShared();
  const [a, b] = [await mortal(keeper, "a"), await mortal(keeper, "b")];
  for (let i = 0; i < 5; i++) {
    await a.hold(`a${i}`, ALICE, charge);
    await b.hold(`b${i}`, ALICE, charge);
  }
  for (const each of [a, b])
    assert.ok("limit" in (await each.reserve("x", ALICE, { ...charge, nanoUsd: 1 })));
  a.post("a0", half);
  // What one replica has not used, the other one may hold.
  await b.hold("b5", ALICE, half);
  await until(() => a.durable === 6 && b.durable === 6);
  await Promise.all([a.kill(keeper), b.kill(keeper)]);
  await keeper.close();
  assert.equal(postedBy(await readAlone(), "global"), "10000");
});

test("what a replica that has ended held is posted in doubt, and another one can say what it came to", async () => {
  const keeper = openShared();
  const [a, b] = [await mortal(keeper, "a"), await replica(keeper, "b")];
  await a.hold("a/0:0", ALICE, charge);
  await a.hold("a/1:0", ALICE, charge);
  await b.hold("b/0:0", ALICE, charge);
  await until(() => a.durable === 2 && b.durable === 1);
  await a.kill(keeper);
  keeper.leave("a");
  await until(() => b.events.some(({ kind }) => kind === "doubts_left"));
  assert.equal(keeper.openHolds, 1);
  b.adjust("a/0:0", half);
  b.post("b/0:0", half);
  await b.leave(keeper);
  await keeper.close();
  const state = await readAlone();
  assert.deepEqual(state.holds, []);
  assert.deepEqual(
    state.inDoubt.map(({ hold }) => hold),
    ["a/1:0"],
  );
  assert.equal(postedBy(state, ALICE), "2000");
});

test("holds that a process before has left are posted in doubt, and the first replica is told of them", async () => {
  const before = openShared();
  const lost = await mortal(before, "a");
  await lost.hold("lost/0:0", ALICE, charge);
  await until(() => lost.durable === 1);
  // The process that kept the ledger has ended without a word to anybody.
  lost.line.cut();
  await before.close();
  await lost.ledger.close();

  const keeper = openShared();
  assert.equal(keeper.restore().state.holds.length, 1);
  assert.equal(keeper.openHolds, 0);
  const [a, b] = [await replica(keeper, "a"), await replica(keeper, "b")];
  await until(() => a.events.some(({ kind }) => kind === "doubts_left"));
  a.adjust("lost/0:0", half);
  // As two workers may tell two replicas: the second one changes nothing, and is as durable as what came before it.
  b.adjust("lost/0:0", half);
  await Promise.all([a.leave(keeper), b.leave(keeper)]);
  assert.ok(!b.events.some(({ kind }) => kind === "doubts_left"));
  await keeper.close();
  const state = await readAlone();
  assert.equal(state.sequence, 3);
  assert.equal(postedBy(state, ALICE), "500");
});

test("while the file can't be written every replica knows why; then all of it is durable", async () => {
  const keeper = openShared();
  const [a, b] = [await mortal(keeper, "a"), await mortal(keeper, "b")];
  await a.hold("a0", ALICE, charge);
  await until(() => a.durable === 1);
  asOther((database) => database.exec(FULL));
  await a.hold("a1", ALICE, charge);
  await until(() => a.ledger.trouble() !== null && b.ledger.trouble() !== null);
  assert.match(b.ledger.trouble()!, /the ledger can't be written: .*disk full/);
  const late = await replica(keeper, "late");
  await until(() => late.ledger.trouble() !== null);
  await b.hold("b0", ALICE, charge);
  // It can't wait for ever.
  await assert.rejects(b.ledger.close(), /The last 1 ledger entries could not be written \(.*disk full\)/);
  b.line.cut();
  keeper.leave("b");
  assert.equal(a.durable, 1);
  asOther((database) => database.exec("DROP TRIGGER full"));
  await until(() => a.durable === 2 && a.ledger.trouble() === null && late.ledger.trouble() === null);
  await Promise.all([a.kill(keeper), late.leave(keeper)]);
  await keeper.close();
  const state = await readAlone();
  assert.deepEqual(
    state.inDoubt.map(({ hold }) => hold),
    ["b0", "a0", "a1"],
  );
});

test("a key works at its first use at every replica, and no longer than it should", async () => {
  const keeper = openShared();
  const [a, b] = [await replica(keeper, "a"), await replica(keeper, "b")];
  const secret = asOther((database) => createKey(database, { account: ALICE, role: "spend" })) as string;
  assert.equal(a.ledger.keys.find(secret)?.account, ALICE);
  assert.equal(b.ledger.keys.find(secret)?.account, ALICE);
  asOther((database) => setKeyEnabled(database, ALICE, false));
  await until(() => a.ledger.keys.find(secret) === null && b.ledger.keys.find(secret) === null);
  assert.equal(keeper.keys.find(secret), null);
  await Promise.all([a.leave(keeper), b.leave(keeper)]);
  await keeper.close();
});

test("a key that was made with a limit is unknown to a replica until that is in force there", async () => {
  const keeper = openShared();
  const [a, b] = [await mortal(keeper, "a"), await mortal(keeper, "b")];
  const secret = asOther((database) =>
    inTransaction(database, () => {
      writeLimit(database, { account: ALICE, unit: "usd", window: "day", amount: "1500" });
      return createKey(database, { account: ALICE, role: "spend" });
    }),
  ) as string;
  for (const each of [a, b]) {
    // Nobody may take its caller for one without a key.
    if (each.ledger.keys.find(secret) === null) assert.ok(!each.ledger.keys.isEmpty);
    else assert.ok(isLimited(each));
  }
  for (const each of [a, b]) {
    await each.ledger.keys.coming;
    assert.equal(each.ledger.keys.find(secret)?.account, ALICE);
    assert.ok(isLimited(each));
  }
  await a.hold("a0", ALICE, charge);
  assert.ok("limit" in (await b.reserve("b0", ALICE, charge)));
  // One that joins later knows both from the beginning.
  const late = await mortal(keeper, "late");
  assert.equal(late.ledger.keys.find(secret)?.account, ALICE);
  assert.ok("limit" in (await late.reserve("c0", ALICE, charge)));
  for (const each of [a, b, late]) await each.kill(keeper);
  await keeper.close();
});

test("a replica that joins before a new key's limits can be told does not know that key", async () => {
  const keeper = openShared();
  const first = await mortal(keeper, "a");
  await first.hold("a0", "global/acme/bob", charge);
  first.post("a0", charge);
  await until(() => first.durable === 2);
  // What was used under the new limit has to be added up first, and can't be.
  asOther((database) =>
    database.exec("CREATE TRIGGER full BEFORE INSERT ON tracked BEGIN SELECT RAISE(ABORT, 'disk full'); END"),
  );
  const secret = asOther((database) =>
    inTransaction(database, () => {
      const limit = { unit: "usd", window: "month", amount: "1500" } as const;
      writeLimit(database, { ...limit, account: "global/acme" });
      writeLimit(database, { ...limit, account: ALICE });
      return createKey(database, { account: ALICE, role: "spend" });
    }),
  ) as string;
  const late = await mortal(keeper, "late");
  assert.equal(late.ledger.keys.find(secret), null);
  assert.equal(first.ledger.keys.find(secret), null);
  asOther((database) => database.exec("DROP TRIGGER full"));
  await until(() => late.ledger.keys.find(secret) !== null && first.ledger.keys.find(secret) !== null);
  const shortage = await late.reserve("b0", ALICE, charge);
  assert.ok("limit" in shortage && shortage.account === "global/acme");
  await late.hold("b1", ALICE, half);
  await until(() => late.durable === 1);
  for (const each of [first, late]) await each.kill(keeper);
  await keeper.close();
  assert.equal(postedBy(await readAlone(), "global/acme"), "1500");
});

test("what any replica was told is durable survives kill -9 of who keeps the ledger", async () => {
  const limit = { account: "global", unit: "usd", window: "month", amount: "1000000000000" } as const;
  asOther((database) => writeLimit(database, limit));
  let before = 0;
  for (const enough of [30, 300, 1_000]) {
    const child = spawn(process.execPath, [KEEPING, stateFolder], { stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(child, "exit");
    const durable = { a: 0, b: 0 };
    for await (const line of createInterface({ input: child.stdout })) {
      const [name, count] = line.split(" ") as ["a" | "b", string];
      durable[name] = Number(count);
      if (durable.a >= enough && durable.b >= enough) child.kill("SIGKILL");
    }
    await ended;
    const mine = (hold: string, name: string): boolean => hold.startsWith(`${name}/${child.pid}/`);
    const entries = asOther((database) => [...readEntries(database, { after: 0 })]);
    for (const name of ["a", "b"] as const) {
      const written = entries.filter(({ hold, inDoubt }) => mine(hold, name) && !inDoubt).length;
      assert.ok(written >= durable[name], `${written} of ${durable[name]}`);
    }
    assert.ok(entries.length > before);
    before = entries.length;
  }
  // The next one posts what the last one has left, and all of it is in order.
  await openShared().close();
  assert.deepEqual((await readAlone()).holds, []);
});
