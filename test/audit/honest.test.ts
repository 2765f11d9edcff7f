import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { IN_DOUBT_MAX } from "../../src/core/budget/accounts.ts";
import { LINKS_PER_CHECKPOINT, takeCheckpoint } from "../../src/ledger/audit/chain.ts";
import { keyPath, openSigner } from "../../src/ledger/audit/signing-key.ts";
import { createStateFolder, ledgerPath, openDatabase } from "../../src/ledger/database.ts";
import { readState } from "../../src/ledger/restore.ts";
import { audit, SampleLedger } from "./sample-ledger.ts";

const APPENDING = fileURLToPath(new URL("../ledger/appending-process.ts", import.meta.url));
const VERSION_1 = readFileSync(new URL("../ledger/version-1.sql", import.meta.url), "utf8");

let ledger: SampleLedger;
beforeEach(() => {
  ledger = new SampleLedger();
});
afterEach(() => {
  ledger[Symbol.dispose]();
  rmSync(join(ledger.stateFolder, ".."), { recursive: true });
});

test("a new ledger is right, before anything was spent", () => {
  const { problem, walk } = audit(ledger.stateFolder);
  assert.equal(problem, null);
  assert.equal(walk?.links.genesis, 1);
  assert.equal(audit(ledger.stateFolder, { quick: true }).problem, null);
});

test("everything that was written is covered, and is right", () => {
  ledger.administer();
  ledger.spend(40);
  ledger.stop();
  ledger.spend(3);
  const { problem, walk, summary, tables } = audit(ledger.stateFolder);
  assert.equal(problem, null);
  assert.equal(walk?.entries, ledger.database.prepare("SELECT count(*) AS n FROM entries").get()!["n"]);
  assert(walk!.links.checkpoint >= 2);
  assert(summary!.usage > 10 && summary!.holds > 5);
  // Tracked: a day in Berlin and two rolling hours, beside the totals of all accounts.
  assert.equal(summary!.windows, summary!.accounts + 2);
  assert.deepEqual([tables!.limits, tables!.keys], [5, 2]);
  assert(tables!.zones > 10);
  const quick = audit(ledger.stateFolder, { quick: true });
  assert.equal(quick.problem, null);
  assert(quick.walk!.entries > 0 && quick.walk!.entries < walk!.entries);
});

test("slices are covered, open ones and closed ones, and what was drawn from them", () => {
  ledger.administer();
  ledger.slice("closed", { isClosed: true });
  ledger.slice("open", { isClosed: false });
  ledger.spend(2);
  ledger.stop();
  ledger.slice("later", { isClosed: true });
  const { problem, summary } = audit(ledger.stateFolder);
  assert.equal(problem, null);
  assert(summary!.holds > 4);
  assert.equal(audit(ledger.stateFolder, { quick: true }).problem, null);
  const told = readState(ledger.database);
  assert.deepEqual(
    told.closed,
    ["closed/inner", "closed", "later/inner", "later"].map((name) => `global/acme/alice/${name}`),
  );
  ledger.database.exec("UPDATE snapshot SET holds = json_remove(holds, '$.closed[1]')");
  assert.equal(audit(ledger.stateFolder).problem?.check, "closed slices");
});

test("more posts in doubt than are remembered are covered, some of them corrected", () => {
  // Of these two are forgotten, and one of the others is corrected: whoever starts anew remembers one of the two again.
  ledger.doubt(IN_DOUBT_MAX + 2);
  ledger.stop();
  assert.equal(audit(ledger.stateFolder).problem, null);
  ledger.learn("doubtful1/0:0");
  assert.equal(audit(ledger.stateFolder).problem, null);
});

test("there is a checkpoint after so many links at most", () => {
  ledger.spend(LINKS_PER_CHECKPOINT + 10);
  const { problem, walk } = audit(ledger.stateFolder);
  assert.equal(problem, null);
  assert.equal(walk?.links.checkpoint, 2);
  assert(walk.unsigned < LINKS_PER_CHECKPOINT);
});

test("the key is its owner's alone, and is made once", () => {
  ledger.spend(1);
  assert.equal(statSync(keyPath(ledger.stateFolder)).mode & 0o777, 0o600);
  assert.equal(openSigner(ledger.stateFolder).keyId, openSigner(ledger.stateFolder).keyId);
});

test("a checkpoint that was kept agrees with what comes after it", () => {
  ledger.spend(5);
  const kept = takeCheckpoint(ledger.database, openSigner(ledger.stateFolder));
  assert.equal(audit(ledger.stateFolder, { kept }).problem, null);
  ledger.spend(5);
  ledger.stop();
  assert.equal(audit(ledger.stateFolder, { kept }).problem, null);
  assert.equal(audit(ledger.stateFolder, { kept, quick: true }).problem, null);
});

test("what was in a ledger of version 1 is covered, and can't be changed unseen from then on", () => {
  const stateFolder = join(ledger.stateFolder, "../version-1");
  createStateFolder(stateFolder);
  {
    using file = new DatabaseSync(ledgerPath(stateFolder));
    file.exec(VERSION_1);
  }
  assert.throws(() => audit(stateFolder), /of another version/);
  using database = openDatabase(ledgerPath(stateFolder));
  const { problem, walk } = audit(stateFolder);
  assert.equal(problem, null);
  assert.deepEqual([walk?.entries, walk?.links.genesis], [12, 1]);
  database.exec("UPDATE entries SET nano_usd = nano_usd + 1 WHERE sequence = 5");
  assert.equal(audit(stateFolder).problem?.check, "genesis");
});

test("a supervisor that is killed while it writes leaves a ledger that is right", async () => {
  const stateFolder = join(ledger.stateFolder, "../killed");
  for (let life = 0; life < 3; life++) {
    const appending = spawn(process.execPath, [APPENDING, stateFolder], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let lines = 0;
    for await (const _ of createInterface(appending.stdout)) {
      // The file is verified while it is written to, too.
      if (++lines === 10) assert.equal(audit(stateFolder).problem, null);
      if (lines === 20 + life) appending.kill("SIGKILL");
    }
    if (appending.exitCode === null && appending.signalCode === null) await once(appending, "exit");
    const { problem, walk } = audit(stateFolder);
    assert.equal(problem, null);
    assert(walk!.entries > 0);
  }
});
