import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { EngineProfile } from "../../src/simulator/engine-profiles/engine-profile.ts";
import { type CliResult, runCli } from "../cli/run.ts";

/** `headgate simulate run` and `compare`, in processes of their own, on a small engine and workload. */

const PROFILE: EngineProfile = {
  name: "small",
  source: "made up",
  prefillUs: [5_000, 50, 0],
  decodeUs: [8_000, 50, 0.1],
  kvTokens: 20_000,
  blockTokens: 16,
  sequencesMax: 16,
  contextTokens: 8_192,
  batching: { kind: "mixed", tokensPerStepMax: 2_048 },
  prefixCache: true,
  startUs: 1_000_000,
  bytesPerKvToken: 1_000,
};

let folder: string;
let world: string[];
before(() => {
  folder = mkdtempSync(join(tmpdir(), "headgate-simulate-"));
  const fleet = join(folder, "small.json");
  writeFileSync(fleet, JSON.stringify(PROFILE));
  const workload = "poisson:rate=5,seconds=20,tenants=3,prompt=300~1,output=30~1,system=100";
  world = ["--workload", workload, "--fleet", `2x${fleet}`, "--slo", "ttft=1s,tpot=50ms"];
});
after(() => rmSync(folder, { recursive: true, force: true }));

const simulate = (...given: string[]): Promise<CliResult> => runCli("simulate", ...given);

async function succeed(...given: string[]): Promise<string> {
  const { code, stdout, stderr } = await simulate(...given);
  assert.equal(code, 0, `${stdout}${stderr}`);
  return stdout;
}

test("a run prints a table, and writes JSON, a line for each request, and a page", async () => {
  const [json, csv, html] = ["run.json", "run.csv", "run.html"].map((name) => join(folder, name));
  const stdout = await succeed(
    "run",
    ...world,
    "--placement",
    "kv-router",
    "--json",
    json!,
    "--csv",
    csv!,
    "--html",
    html!,
  );
  assert.match(stdout, /on 2 × small\nplacement kv-router, /);
  assert.match(stdout, /time to first token +[\d.]+ m?s/);
  assert.match(stdout, /hash of effects {2}[0-9a-f]{64}\n/);
  const { metrics, hash, provenance } = JSON.parse(readFileSync(json!, "utf8"));
  assert.equal(metrics.completed, metrics.requests);
  assert.ok(stdout.includes(hash));
  assert.match(provenance.command, /^npm run headgate -- simulate run --workload /);
  const lines = readFileSync(csv!, "utf8").trimEnd().split("\n");
  assert.equal(lines.length, 1 + metrics.requests);
  assert.ok(lines.every((line) => line.split(",").length === 16));
  assert.match(readFileSync(html!, "utf8"), /^<!doctype html>/);
});

async function hashOf(seed: string): Promise<string> {
  const stdout = await succeed("run", ...world, "--seed", seed);
  return /hash of effects {2}(\w+)/.exec(stdout)![1]!;
}

test("the same seed gives the same run, another seed another", async () => {
  const [once, again, other] = [await hashOf("3"), await hashOf("3"), await hashOf("4")];
  assert.equal(once, again);
  assert.notEqual(once, other);
});

test("a comparison pairs runs by seed, says what is better, and finds the highest load", async () => {
  const [json, csv, html] = ["cmp.json", "cmp.csv", "cmp.html"].map((name) => join(folder, name));
  const grid = ["--requests", "60", "--seeds", "2", "--loads", "1,2", "--threads", "2"];
  const fair = "fair=placement:kv-router,fairness:las(half_life=30)";
  const policies = ["--placement", "round-robin", "--policy", fair, "--highest-load", "0.9"];
  const files = ["--json", json!, "--csv", csv!, "--html", html!];
  const stdout = await succeed("compare", ...world, ...grid, ...policies, ...files);
  assert.match(stdout, /load × 1\n +round-robin +fair\n/);
  assert.match(stdout, /against round-robin, paired over 2 seeds, 95 % confidence/);
  assert.match(stdout, /highest load that meets the SLO\npolicy/);
  const { runs, cells, differences, highestLoads } = JSON.parse(readFileSync(json!, "utf8"));
  assert.equal(runs.length, 8);
  for (const { policy, load, metric, interval } of cells) {
    const own = runs.filter(
      (run: { policy: string; load: number }) => run.policy === policy && run.load === load,
    );
    if (metric !== "ttft_p50_ms") continue;
    const mean = (own[0].metrics.ttftMs.p50 + own[1].metrics.ttftMs.p50) / 2;
    assert.ok(Math.abs(interval.value - mean) <= 1e-9 * mean);
  }
  assert.ok(
    differences.every(
      (each: { policy: string; baseline: string }) =>
        each.policy === "fair" && each.baseline === "round-robin",
    ),
  );
  for (const { found } of highestLoads) {
    for (const { load, goodputShare, tried } of found) {
      assert.ok(goodputShare >= 0.9);
      const broken = tried.filter((each: { share: number }) => each.share < 0.9);
      assert.ok(broken.every((each: { load: number }) => each.load > load));
    }
  }
  assert.equal(readFileSync(csv!, "utf8").trimEnd().split("\n").length, 9);
  assert.doesNotMatch(readFileSync(html!, "utf8"), /NaN|undefined/);
});

test("what can't be understood is refused, and says what can", async () => {
  const wrong: [string[], RegExp][] = [
    [["run"], /--workload/],
    [["run", ...world, "--workload", "nowhere.jsonl"], /there is no file nowhere\.jsonl/],
    [["run", ...world, "--placement", "kv-ruoter"], /did you mean kv-router/],
    [["run", ...world, "--fleet", "3xnothing"], /There is no engine profile "nothing"/],
    [["run", ...world, "--slo", "ttft=soon"], /"soon" is no duration/],
    [["run", ...world, "--scale", "5..2"], /write it as 2\.\.16/],
    [["run", ...world, "--faults", "rain"], /there is no fault "rain"/],
    [["compare", ...world, "--placement", "round-robin"], /at least two policies/],
    [["compare", ...world, "--policy", "a=color:red"], /can't be read/],
    [
      [
        "compare",
        ...world.slice(0, 4),
        "--placement",
        "random",
        "--placement",
        "round-robin",
        "--highest-load",
      ],
      /needs an SLO/,
    ],
  ];
  for (const [given, message] of wrong) {
    const { code, stderr } = await simulate(...given);
    assert.equal(code, 1, given.join(" "));
    assert.match(stderr, message);
  }
});

test("the search for faults is what `simulate` does without a subcommand", async () => {
  const plain = await succeed("--seed", "3", "--requests", "20");
  assert.equal(plain, await succeed("faults", "--seed", "3", "--requests", "20"));
  assert.match(plain, /^seed 3, in virtual time\n/);
  const help = await succeed("--help");
  for (const name of ["run", "compare", "faults"]) assert.match(help, new RegExp(`\\n +${name} `));
});
