import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { stringify } from "yaml";
import { parseConfig } from "../../src/config/load.ts";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import { NOTHING } from "../../src/core/budget/charge.ts";
import { Budget } from "../../src/core/budget/budget.ts";
import { type HeadgateOptions, startHeadgate } from "../../src/headgate.ts";
import { openLedger } from "../../src/ledger/ledger.ts";
import { createLog } from "../../src/observability/log.ts";
import { closeParts, type Parts } from "../../src/parts.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "headgate-start-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A supervisor without workers, that records its run. */
function optionsWith(settings: object): HeadgateOptions & { recordPath: string } {
  const config = parseConfig(stringify({ server: { port: 0 }, ...settings }), { path: "test.yaml" });
  return {
    config,
    configPath: join(folder, "headgate.yaml"),
    variables: {},
    log: createLog("silent"),
    recordPath: join(folder, "run.jsonl"),
  };
}

/** What is still open is seen in what it leaves: a ledger that is taken, a recording without its footer. */
async function assertNothingOpen(options: HeadgateOptions & { recordPath: string }): Promise<void> {
  await openLedger({ stateFolder: join(folder, ".headgate"), log: options.log }).close();
  const last = readFileSync(options.recordPath, "utf8").trimEnd().split("\n").at(-1)!;
  assert.ok("hash" in JSON.parse(last), last);
}

test("a start that fails leaves nothing open: the address is taken", async (context) => {
  const taken = createServer().listen(0, "127.0.0.1");
  context.after(() => taken.close());
  await once(taken, "listening");
  const options = optionsWith({ server: { port: (taken.address() as AddressInfo).port } });
  await assert.rejects(startHeadgate(options), /EADDRINUSE/);
  await assertNothingOpen(options);
});

test("a start that fails leaves nothing open: a secret is missing", async () => {
  const remote = {
    name: "api",
    url: "http://127.0.0.1:9/v1",
    api_key_env: "NO_SUCH_SECRET",
    models: { a: "a" },
  };
  const options = optionsWith({ remotes: [remote], default_price: { input: 1, output: 1 } });
  await assert.rejects(startHeadgate(options), /NO_SUCH_SECRET is not set/);
  await assertNothingOpen(options);
});

test("a ledger whose clock is ahead is told of at start", async () => {
  const options = optionsWith({});
  const ledger = openLedger({ stateFolder: join(folder, ".headgate"), log: options.log });
  const port = ledger.connect(() => {});
  const charge = { ...NOTHING, nanoUsd: 1, inputTokens: 1, outputTokens: 1, requests: 1 };
  const nowUs = (Date.now() + 86_400_000) * 1_000;
  const entry = new Budget().reserve(
    { id: "a", model: "m" },
    { account: "global", priority: null, charge },
    nowUs,
  ) as LedgerEntry;
  port.append({ kind: "append_ledger", entry });
  await ledger.close();
  const warnings: string[] = [];
  const headgate = await startHeadgate({ ...options, onWarning: (words) => warnings.push(words) });
  await headgate.stop();
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /The ledger's clock never goes back/);
  await assertNothingOpen(options);
});

test("the ledger is closed whatever else can't be, and what went wrong is said", async () => {
  const closed: string[] = [];
  const parts: Parts = {
    gateway: { close: () => Promise.reject(new Error("gateway broken")) },
    workers: { stop: () => Promise.reject(new Error("worker broken")) },
    shell: { close: async () => void closed.push("shell") },
    ledger: { close: async () => void closed.push("ledger") },
    timer: { close: () => void closed.push("timer") },
  };
  await assert.rejects(closeParts(parts, 0), /gateway broken\nworker broken/);
  assert.deepEqual(closed, ["shell", "ledger", "timer"]);
});
