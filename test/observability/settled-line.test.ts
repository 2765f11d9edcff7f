import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import { pino } from "pino";
import { logSettled } from "../../src/observability/settled-line.ts";
import { RECORD } from "./record.ts";

test("the line of a settled request says who paid, and how much to the nano-USD", () => {
  const lines: Record<string, unknown>[] = [];
  const stream = new Writable({
    write(line: Buffer, _encoding, done) {
      lines.push(JSON.parse(line.toString()) as Record<string, unknown>);
      done();
    },
  });
  const charged = { ...RECORD.charged, nanoUsd: 1_500_000_001 };
  logSettled(pino(stream), { ...RECORD, key: "bot", charged });
  const [line] = lines;
  assert.deepEqual([line?.["tenant"], line?.["key"], line?.["cost_usd"]], ["acme", "bot", "1.500000001"]);
});
