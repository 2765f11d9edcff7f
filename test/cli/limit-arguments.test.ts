import assert from "node:assert/strict";
import { test } from "node:test";
import {
  parseAccount,
  parseAmount,
  parseLimit,
  parseName,
  parseUnit,
  parseWindow,
} from "../../src/cli/limit-arguments.ts";

test("accounts may be written without the root", () => {
  assert.equal(parseAccount("global"), "global");
  assert.equal(parseAccount("acme"), "global/acme");
  assert.equal(parseAccount("global/acme"), "global/acme");
  assert.equal(parseAccount("acme/alice"), "global/acme/alice");
  for (const wrong of ["", "/", "acme/", "a/b/c", "global/a/b/c", "a b", "../x"]) {
    assert.throws(() => parseAccount(wrong), /write global, a tenant/, wrong);
  }
});

test("amounts are exact, and as large as the ledger can count", () => {
  assert.equal(parseAmount("5", "usd"), "5000000000");
  assert.equal(parseAmount("0.000000001", "usd"), "1");
  assert.equal(parseAmount("9223372036.854775807", "usd"), "9223372036854775807");
  assert.equal(parseAmount("1000000", "tokens"), "1000000");
  for (const wrong of ["", "-1", "five", "0.0000000001", "9223372036.854775808", "1e99"]) {
    assert.throws(() => parseAmount(wrong, "usd"), /is no amount of usd: give USD as a decimal/, wrong);
  }
  for (const wrong of ["1.5", "-1", "0x10", "9223372036854775808"]) {
    assert.throws(() => parseAmount(wrong, "requests"), /give a whole number/, wrong);
  }
});

test("limits of a new key are collected", () => {
  const limits = parseLimit("requests=10", parseLimit("usd=0.5/day"));
  assert.deepEqual(limits, [
    { unit: "usd", window: "day", amount: "500000000" },
    { unit: "requests", window: "total", amount: "10" },
  ]);
  for (const wrong of ["usd", "usd=", "=5", "usd=5/day/day", "usd=5/"]) {
    assert.throws(() => parseLimit(wrong), /write it as usd=5\/day/, wrong);
  }
  assert.throws(() => parseLimit("usd=5/week"), /choose total or day/);
  assert.throws(() => parseLimit("euro=5"), /choose usd, tokens/);
});

test("names can stand in a path; units and windows are those there are", () => {
  assert.equal(parseName("alice-2.b_c"), "alice-2.b_c");
  for (const wrong of ["", "-a", "a/b", "a b", "é", "a".repeat(65)]) {
    assert.throws(() => parseName(wrong), /at most 64 letters/, wrong);
  }
  assert.equal(parseUnit("output_tokens"), "output_tokens");
  assert.throws(() => parseUnit("__proto__"), /choose usd/);
  assert.throws(() => parseWindow("hour"), /choose total or day/);
});
