import assert from "node:assert/strict";
import { test } from "node:test";
import {
  describeThresholds,
  readAmount,
  readThresholds,
  readWindow,
} from "../../src/administration/terms.ts";
import {
  parseAccount,
  parseHolding,
  parseLimit,
  parseName,
  parsePercents,
  parseUnit,
  parseZone,
  thresholdsOf,
} from "../../src/cli/limit-arguments.ts";

test("accounts may be written without the root", () => {
  assert.equal(parseAccount("global"), "global");
  assert.equal(parseAccount("acme"), "global/acme");
  assert.equal(parseAccount("global/acme"), "global/acme");
  assert.equal(parseAccount("acme/alice"), "global/acme/alice");
  assert.equal(parseAccount("acme/research/alice/agent-7"), "global/acme/research/alice/agent-7");
  for (const wrong of ["", "/", "acme/", "a//b", "a/".repeat(16) + "b", "a b", "../x"]) {
    assert.throws(() => parseAccount(wrong), /write global, a tenant/, wrong);
  }
});

test("amounts are exact, and as large as the ledger can count", () => {
  assert.equal(readAmount("5", "usd"), "5000000000");
  assert.equal(readAmount("0.000000001", "usd"), "1");
  assert.equal(readAmount("9223372036.854775807", "usd"), "9223372036854775807");
  assert.equal(readAmount("1000000", "tokens"), "1000000");
  for (const wrong of ["", "-1", "five", "0.0000000001", "9223372036.854775808", "1e99"]) {
    assert.throws(() => readAmount(wrong, "usd"), /is no amount of usd: give USD as a decimal/, wrong);
  }
  for (const wrong of ["1.5", "-1", "0x10", "9223372036854775808"]) {
    assert.throws(() => readAmount(wrong, "requests"), /give a whole number/, wrong);
  }
});

test("limits of a new key are collected", () => {
  const limits = parseLimit("requests=10", parseLimit("usd=0.5/day"));
  assert.deepEqual(limits, [
    { unit: "usd", window: "day", amount: "500000000", thresholds: [] },
    { unit: "requests", window: "total", amount: "10", thresholds: [] },
  ]);
  assert.equal(parseLimit("usd=5/month@europe/berlin")[0]!.window, "month@Europe/Berlin");
  for (const wrong of ["usd", "usd=", "=5", "usd=5/"]) {
    assert.throws(() => parseLimit(wrong), /write it as usd=5\/day/, wrong);
  }
  assert.throws(() => parseLimit("usd=5/fortnight"), /"fortnight" is no window: choose total, minute/);
  assert.throws(() => parseLimit("euro=5"), /no unit "euro"; choose among .*usd/);
});

test("names can stand in a path; units and windows are those there are", () => {
  assert.equal(parseName("alice-2.b_c"), "alice-2.b_c");
  for (const wrong of ["", "-a", "a/b", "a b", "é", "a".repeat(65)]) {
    assert.throws(() => parseName(wrong), /at most 64 letters/, wrong);
  }
  assert.equal(parseUnit("output_tokens"), "output_tokens");
  assert.throws(() => parseUnit("__proto__"), /choose among .*usd/);
  assert.throws(() => parseUnit("token"), /did you mean tokens\?/);
});

test("windows are written in several ways, and stored in one", () => {
  const forms: [string, string | undefined, string][] = [
    ["month", "Europe/Berlin", "month@Europe/Berlin"],
    ["month", "europe/berlin", "month@Europe/Berlin"],
    ["month@America/New_York", undefined, "month@America/New_York"],
    ["week", undefined, "week"],
    ["day", "UTC", "day"],
    ["day@Etc/UTC", undefined, "day"],
    ["hour", undefined, "hour"],
    ["rolling 3600s", undefined, "rolling:3600"],
    ["rolling:1h", undefined, "rolling:3600"],
    ["rolling:90", undefined, "rolling:90"],
  ];
  for (const [text, zone, window] of forms) assert.equal(readWindow(text, zone), window);
  const wrong: [string, string | undefined, RegExp][] = [
    ["fortnight", undefined, /no window: choose total/],
    ["fortnight", "Europe/Berlin", /no window: choose total/],
    ["rolling:0", undefined, /no window/],
    ["rolling 400d", undefined, /no window/],
    ["hour", "Europe/Berlin", /a zone goes with day, week and month/],
    ["rolling:60", "Europe/Berlin", /a zone goes with day, week and month/],
    ["day@Europe/Berlin", "Europe/Paris", /names a time zone already/],
    ["day", "Europe/Berln", /did you mean Europe\/Berlin\?/],
  ];
  for (const [text, zone, message] of wrong) assert.throws(() => readWindow(text, zone), message);
});

test("a time zone that does not exist is answered with one that does", () => {
  assert.equal(parseZone("america/new_york"), "America/New_York");
  assert.throws(() => parseZone("Berlin"), /did you mean Europe\/Berlin\?/);
  assert.throws(() => parseZone("new york"), /did you mean America\/New_York\?/);
  assert.throws(() => parseZone("+01:00"), /no time zone "\+01:00"; give its name/);
});

test("thresholds come in order, each once, within bounds", () => {
  const thresholds = thresholdsOf({
    alert: parsePercents("95%", parsePercents("80")),
    holdLowPriority: parseHolding("90:high"),
    stopAt: 98,
  });
  assert.equal(
    describeThresholds(thresholds),
    "alert at 80 %, only high and more urgent at 90 %, alert at 95 %, stop at 98 %",
  );
  assert.throws(() => thresholdsOf({ alert: [80, 80] }), /given twice/);
  assert.throws(() => thresholdsOf({ alert: [0] }), /from 1 to 1000/);
  assert.throws(() => thresholdsOf({ stopAt: 101 }), /from 1 to 100,/);
  assert.throws(() => parseHolding("90"), /such as 90:high/);
  assert.throws(() => readThresholds([{ percent: 5, action: "degrade" }]), /no action "degrade"/);
  const many = Array.from({ length: 17 }, (_, i) => i + 1);
  assert.throws(() => thresholdsOf({ alert: many }), /at most 16/);
});
