import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { chargeback, type ChargebackQuery } from "../../src/administration/chargeback.ts";
import { chargebackCsv } from "../../src/administration/chargeback-csv.ts";
import { readDimensions } from "../../src/administration/chargeback-groups.ts";
import { MICROS_PER_MILLI } from "../../src/core/units.ts";
import { levelsOf } from "../../src/keys/account-path.ts";
import { createKey } from "../../src/keys/key-table.ts";
import { LedgerFile } from "./ledger-file.ts";

const ALICE = "global/acme/research/alice";
const NOW = Date.parse("2026-11-15T12:00:00Z") * MICROS_PER_MILLI;

let ledger: LedgerFile;
before(() => {
  ledger = new LedgerFile();
  createKey(ledger.database, { account: ALICE, role: "spend" });
  createKey(ledger.database, { account: "global/acme/bob", role: "spend" });
  // In Berlin it is October already, and in summer time.
  ledger.spend(ALICE, { at: "2026-09-30T22:00:00Z", nanoUsd: 1, inputTokens: 10, cachedTokens: 4 });
  ledger.spend(ALICE, {
    at: "2026-10-05T10:00:00Z",
    nanoUsd: 2_000_000_000,
    outputTokens: 7,
    reasoningTokens: 3,
  });
  ledger.spend(`${ALICE}/agent-7/task-3`, { at: "2026-10-05T11:00:00Z", model: "big", nanoUsd: 30 });
  ledger.spend("global/acme/bob", {
    at: "2026-10-31T22:59:59Z",
    nanoUsd: 400,
    gpuUs: 2_500_000,
    inDoubt: true,
  });
  // In Berlin it is November already, and in winter time.
  ledger.spend("global/acme/bob", { at: "2026-10-31T23:00:00Z", nanoUsd: 5_000 });
  ledger.spend("global/local", { at: "2026-11-01T00:00:00Z", model: "=cmd()", nanoUsd: 60_000 });
});
after(() => ledger.close());

function report(
  query: Partial<Omit<ChargebackQuery, "by">> & { by?: string },
): ReturnType<typeof chargeback> {
  const { by = "tenant,project,key", ...rest } = query;
  const usual = { account: "global", zone: "UTC", period: { month: "2026-10" }, nowUs: NOW };
  return chargeback(ledger.database, { ...usual, ...rest, by: readDimensions(by) });
}

test("a month is one of the time zone, and its sums are exact", () => {
  const berlin = report({ zone: "Europe/Berlin" });
  assert.deepEqual([berlin.from, berlin.until], ["2026-10-01T00:00:00+02:00", "2026-11-01T00:00:00+01:00"]);
  assert.deepEqual(
    berlin.lines.map(({ tenant, project, key, usd, in_doubt_usd, in_doubt_gpu_seconds }) => [
      tenant,
      project,
      key,
      usd,
      in_doubt_usd,
      in_doubt_gpu_seconds,
    ]),
    [
      ["acme", null, "bob", "0.0000004", "0.0000004", "2.5"],
      ["acme", "research", "alice", "2.000000031", "0", "0"],
    ],
  );
  const { requests, input_tokens, cached_tokens, output_tokens, reasoning_tokens, usd } = berlin.total;
  assert.deepEqual(
    [requests, input_tokens, cached_tokens, output_tokens, reasoning_tokens],
    [4, 10, 4, 7, 3],
  );
  assert.equal(usd, "2.000000431");
  assert.equal(report({}).total.usd, "2.00000543");
  assert.equal(berlin.total.in_doubt_gpu_seconds, "2.5");
});

test("the last month, days, and all until now are periods, too", () => {
  const zone = "Europe/Berlin";
  assert.deepEqual(
    report({ zone, period: { lastMonth: true } }),
    report({ zone, period: { month: "2026-10" } }),
  );
  const days = { from: "2026-10-01", until: "2026-10-31" };
  assert.deepEqual(report({ zone, period: days }), report({ zone, period: { month: "2026-10" } }));
  assert.equal(report({ period: { from: "2026-10-31" } }).total.usd, "0.0000654");
  assert.equal(report({ period: {} }).from, "2026-11-01T00:00:00+00:00");
  const kiritimati = report({
    zone: "Pacific/Kiritimati",
    period: { from: "2026-10-05", until: "2026-10-05" },
  });
  assert.equal(kiritimati.from, "2026-10-05T00:00:00+14:00");
  assert.equal(kiritimati.until, "2026-10-06T00:00:00+14:00");
});

test("lines tell apart what is asked for, and nothing else", () => {
  const october = { zone: "Europe/Berlin" };
  const lines = (by: string): unknown[] =>
    report({ ...october, by }).lines.map((line) => Object.values(line).slice(0, by.split(",").length));
  assert.deepEqual(lines("tenant"), [["acme"]]);
  assert.deepEqual(lines("model"), [["big"], ["m"]]);
  assert.deepEqual(lines("day"), [["2026-10-01"], ["2026-10-05"], ["2026-10-31"]]);
  assert.deepEqual(lines("agent,task"), [
    [null, null],
    ["agent-7", "task-3"],
  ]);
  for (const by of ["tenant", "model,day", "agent", "tenant,project,key,agent,task,model,day"]) {
    assert.deepEqual(report({ ...october, by }).total, report(october).total, by);
  }
});

test("an account is charged with all below it, and with nothing beside it", () => {
  const zone = "Europe/Berlin";
  assert.equal(report({ zone, account: "global/acme/research" }).total.usd, "2.000000031");
  assert.equal(report({ zone, account: ALICE }).total.requests, 3);
  assert.equal(report({ zone, account: "global/acme/res" }).total.requests, 0);
});

test("CSV ends with the total, and nothing in it is a formula", () => {
  const csv = chargebackCsv(report({ period: { month: "2026-11" }, by: "model,tenant" }));
  assert.equal(
    csv,
    [
      "model,tenant,requests,input_tokens,cached_tokens,output_tokens,reasoning_tokens,gpu_seconds,usd,in_doubt_usd,in_doubt_gpu_seconds",
      "'=cmd(),local,1,0,0,0,0,0,0.00006,0,0",
      "total,,1,0,0,0,0,0,0.00006,0,0",
      "",
    ].join("\r\n"),
  );
});

test("what can't be asked is said", () => {
  assert.throws(() => report({ period: { month: "2026-13" } }), /"2026-13" is no month/);
  assert.throws(() => report({ period: { from: "2026-02-30" } }), /is no day/);
  assert.throws(() => report({ period: { from: "2026-10-02", until: "2026-10-01" } }), /is before/);
  assert.throws(() => report({ period: { until: "2026-10-01" } }), /from which day/);
  assert.throws(() => report({ period: { month: "2026-10", lastMonth: true } }), /choose one/);
  assert.throws(() => report({ zone: "Europe/Berln" }), /no time zone/);
});

test("levels follow from where the key is", () => {
  const isKey = (account: string): boolean => account === ALICE || account === "global/ops";
  const levels = (account: string): unknown[] => Object.values(levelsOf(account, isKey));
  assert.deepEqual(levels(`${ALICE}/a/t/u`), ["acme", "research", "alice", "a", "t/u"]);
  assert.deepEqual(levels("global/local/cron"), ["local", null, null, "cron", null]);
  assert.deepEqual(levels("global/ops"), [null, null, "ops", null, null]);
  assert.deepEqual(levels("global"), [null, null, null, null, null]);
});
