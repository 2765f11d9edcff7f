import assert from "node:assert/strict";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { pino } from "pino";
import type { AdminAnswer, AdminAsk } from "../../src/administration/ask.ts";
import { AdminDesk } from "../../src/administration/desk.ts";
import { LedgerFile } from "./ledger-file.ts";

const KEYS: AdminAsk = { what: "keys", account: "global", page: { offset: 0, limit: 10 } };

let ledger: LedgerFile;
let desk: AdminDesk;
beforeEach(() => {
  ledger = new LedgerFile();
  desk = new AdminDesk({ path: ledger.path, log: pino({ level: "silent" }) });
});
afterEach(async () => {
  await desk.close();
  ledger.close();
});

function codeOf(answer: AdminAnswer): string {
  return "error" in answer ? answer.error.code : "none";
}

test("of many questions at the same time, sixteen are answered", async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, () => desk.ask(KEYS)));
  const expected = [...Array<string>(16).fill("none"), ...Array<string>(4).fill("capacity")];
  assert.deepEqual(answers.map(codeOf), expected);
  assert.equal(codeOf(await desk.ask(KEYS)), "none");
});

test("a file that can't be opened is said, to each who asks anew", async () => {
  const path = join(ledger.folder, "none", "ledger.db");
  const other = new AdminDesk({ path, log: pino({ level: "silent" }) });
  assert.equal(codeOf(await other.ask(KEYS)), "capacity");
  assert.equal(codeOf(await other.ask(KEYS)), "capacity");
  await other.close();
});

test("a change waits for others who write, and is refused when they take too long", async () => {
  const disable: AdminAsk = { what: "disable_key", account: "global/acme/alice" };
  ledger.database.exec("BEGIN IMMEDIATE");
  assert.equal(codeOf(await desk.ask(disable)), "capacity");
  ledger.database.exec("ROLLBACK");
  assert.equal(codeOf(await desk.ask(disable)), "not_found");
});

test("whoever still waits at the end is told so, and nothing is asked any more", async () => {
  const asked = desk.ask(KEYS);
  await desk.close();
  assert.equal(codeOf(await asked), "capacity");
  assert.equal(codeOf(await desk.ask(KEYS)), "capacity");
});
