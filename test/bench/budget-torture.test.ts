import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import type { CapFigures } from "../../bench/budget-torture/figures.ts";
import { ByHandGateway } from "../../bench/budget-torture/gateways/by-hand.ts";
import type { Gateway, GatewayOptions } from "../../bench/budget-torture/gateways/gateway.ts";
import { HeadgateGateway } from "../../bench/budget-torture/gateways/headgate.ts";
import { exitCode, render, renderMarkdown } from "../../bench/budget-torture/report.ts";
import { SCENARIOS } from "../../bench/budget-torture/scenarios/index.ts";
import { torture, type TortureReport } from "../../bench/budget-torture/torture.ts";
import { NaiveGateway, type NaiveOptions } from "./naive-gateway.ts";

const COMMAND = fileURLToPath(new URL("../../bench/budget-torture/main.ts", import.meta.url));

/** Left to the whole bench: it waits for a clock. */
const LEFT_OUT = ["window-reset"];
/** What one supervisor can't be put to. */
const OF_SEVERAL = ["replicas", "killed-in-turn"];

test("Headgate passes no cap, refuses nobody in vain, leaks no hold and bills what was spent", async () => {
  const only = SCENARIOS.map(({ name }) => name).filter((name) => !LEFT_OUT.includes(name));
  const report = await torture({
    start: HeadgateGateway.start,
    replicas: 1,
    scenarios: SCENARIOS,
    only,
    seed: 1,
    isQuick: true,
    stormMs: 3_000,
  });
  const verdicts = Object.fromEntries(report.scenarios.map(({ name, verdict }) => [name, verdict]));
  const expected = only.map((name) => [name, OF_SEVERAL.includes(name) ? "not run" : "clean"]);
  assert.deepEqual(verdicts, Object.fromEntries(expected), render(report));
  for (const { name, counts, verdict } of report.scenarios) {
    // A cap that keeps nobody out has shown nothing.
    if (verdict === "clean") assert(counts.refused > 0, name);
  }
});

test("several supervisors pass no cap either, and the last cent of it is spent while they are killed", async () => {
  const report = await torture({
    start: HeadgateGateway.start,
    replicas: 3,
    scenarios: SCENARIOS,
    only: ["burst", "nested-caps", "long-streams", ...OF_SEVERAL],
    seed: 1,
    isQuick: true,
    stormMs: 6_000,
  });
  for (const { name, verdict } of report.scenarios)
    assert.equal(verdict, "clean", `${name}\n${render(report)}`);
});

async function runNaive(only: string[], options: NaiveOptions = {}): Promise<TortureReport> {
  return torture({
    start: (wish: GatewayOptions) => NaiveGateway.start(wish, options),
    replicas: 1,
    scenarios: SCENARIOS,
    only,
    seed: 1,
    isQuick: true,
    stormMs: 3_000,
  });
}

/** Of the one cap of a scenario. */
function capOf(report: TortureReport, name: string): CapFigures {
  return report.scenarios.find((scenario) => scenario.name === name)!.caps[0]!;
}

test("it finds a gateway out that checks before and counts after", async () => {
  const report = await runNaive(["burst", "disconnects", "oversized", "kill-restart"]);
  assert(capOf(report, "burst").overspendNano > 0);
  assert(capOf(report, "oversized").overspendNano > 0);
  assert(capOf(report, "disconnects").unbilledNano! > 0);
  const [killed] = report.scenarios.filter(({ verdict }) => verdict === "not run");
  assert.match(killed!.note, /can't kill it/);
  assert.equal(exitCode(report), 1);
  assert.match(render(report), /^burst .+ FAILED$/m);
  assert.match(renderMarkdown(report), /^\| burst \|.+\| FAILED \|$/m);
});

test("it finds holds that are never freed, and the requests that they keep out", async () => {
  const cap = capOf(await runNaive(["retries"], { leaks: true }), "retries");
  assert(cap.leakedNano > 0);
  assert(cap.falseRefusals > 0);
});

test("it finds them where nobody says what is held, by whom they keep out", async () => {
  const cap = capOf(await runNaive(["retries"], { leaks: true, isSilent: true }), "retries");
  assert(cap.leakedNano > 0);
  assert(cap.falseRefusals > 0);
});

test("the same seed asks the same", async () => {
  const first = await askedUnder(1);
  assert.equal(first.length, 20);
  assert.deepEqual(await askedUnder(1), first);
  assert.notDeepEqual(await askedUnder(2), first);
});

/** The first twenty requests of a scenario; what is asked after them depends on what became of them. */
async function askedUnder(seed: number): Promise<string[]> {
  let gateway: NaiveGateway | null = null;
  const start = async (wish: GatewayOptions): Promise<NaiveGateway> =>
    (gateway = await NaiveGateway.start(wish));
  await torture({
    start,
    replicas: 1,
    scenarios: SCENARIOS,
    only: ["retries"],
    seed,
    isQuick: true,
    stormMs: 3_000,
  });
  return gateway!.bodies.filter((body) => /id=retries-1?\d /.test(body)).sort();
}

test("a gateway can be described by a file; what can't be done with it is said", async () => {
  const folder = mkdtempSync(join(tmpdir(), "torture-test-"));
  let naive: NaiveGateway | null = null;
  const start = async (wish: GatewayOptions): Promise<Gateway> => {
    naive = await NaiveGateway.start(wish);
    await naive.open({ name: "burst", capNano: null, keys: [{ name: "key", capNano: 1e9 }], window: null });
    const file = join(folder, "gateway.yaml");
    const commands = { report: `echo '{"spent_usd": "0", "held_usd": 0}'` };
    writeFileSync(
      file,
      stringify({ name: "mine", urls: naive.urls, keys: { "burst/key": "burst/key" }, commands }),
    );
    return ByHandGateway.start(file, wish);
  };
  try {
    const only = ["burst", "nested-caps", "kill-restart"];
    const report = await torture({
      start,
      replicas: 1,
      scenarios: SCENARIOS,
      only,
      seed: 1,
      isQuick: true,
      stormMs: 3_000,
    });
    assert.equal(report.gateway, "mine");
    const [burst, nested, killed] = report.scenarios;
    const cap = burst!.caps[0]!;
    assert(cap.spentNano > 0);
    assert.equal(cap.unbilledNano, cap.spentNano);
    assert.match(
      nested!.note,
      /no key nested-caps\/one, which needs the team nested-caps with a cap of [\d.]+ USD/,
    );
    assert.match(killed!.note, /can't kill it/);
  } finally {
    await naive!.stop();
    rmSync(folder, { recursive: true });
  }
});

test("a gateway that breaks down has failed, and what it went through before is reported", async () => {
  const only = ["burst", "without-usage"];
  const report = await torture({
    start: startFrail,
    replicas: 1,
    scenarios: SCENARIOS,
    only,
    seed: 1,
    isQuick: true,
    stormMs: 3_000,
  });
  assert.deepEqual(
    report.scenarios.map(({ name, verdict, caps }) => [name, verdict, caps.length]),
    [
      ["burst", "failed", 1],
      ["without-usage", "failed", 0],
    ],
  );
  assert.match(render(report), /^without-usage: no more keys$/m);
});

/** One that makes keys for the first scenario only. */
async function startFrail(wish: GatewayOptions): Promise<Gateway> {
  const naive = await NaiveGateway.start(wish);
  const open = naive.open.bind(naive);
  naive.open = (team) => (team.name === "burst" ? open(team) : Promise.reject(new Error("no more keys")));
  return naive;
}

test("a gateway that nobody has started is no measurement", async () => {
  const folder = mkdtempSync(join(tmpdir(), "torture-test-"));
  try {
    const file = join(folder, "gateway.yaml");
    writeFileSync(file, "name: mine\nurls: ['http://127.0.0.1:1/v1']\n");
    const { code, stderr } = await runCommand("--gateway", file);
    assert.equal(code, 2);
    assert.match(stderr, /Nothing answers at http:\/\/127\.0\.0\.1:1\/v1\. Start the gateway in front of/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

function runCommand(...options: string[]): Promise<{ code: number; stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [COMMAND, ...options], (_error, _stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stderr });
    });
  });
}
