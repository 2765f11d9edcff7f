import assert from "node:assert/strict";
import { test } from "node:test";
import { currentCommit, simulateCommand, type SimulateOptions } from "../../src/simulator/command.ts";
import { simulate, type SimulationReport } from "../../src/simulator/simulate.ts";
import { violationText } from "../../src/simulator/summary.ts";

function run(options: SimulateOptions): { code: number; printed: string; progress: string[] } {
  let printed = "";
  const progress: string[] = [];
  const out = { print: (text: string) => (printed += text), progress: (text: string) => progress.push(text) };
  return { code: simulateCommand(options, out), printed, progress };
}

test("a table says how requests ended, what became of the money and which faults struck", () => {
  const { code, printed } = run({ seed: 28, requests: 50 });
  assert.equal(code, 0);
  assert.match(printed, /^seed 28, in virtual time\n  requests +50\n/);
  assert.match(printed, /  crashes of supervisors +[1-9]\n/);
  assert.match(printed, /\nmoney\n(  [\w ]+ +\d+\n)*  holds in doubt +\d+\n/);
  assert.match(printed, /how requests ended\n(  \w+ +\d+\n)*  completed +\d+\n/);
  assert.match(printed, /hash of effects {2}[0-9a-f]{64}\n/);
});

test("long runs show how far they are", () => {
  const { progress } = run({ seed: 1, seeds: 25, requests: 5 });
  assert.deepEqual(progress, ["10 of 25 seeds", "20 of 25 seeds"]);
});

test("--json prints one report a line, as the function returns it", () => {
  const { printed } = run({ seed: 3, seeds: 2, requests: 20, json: true });
  const expected = [3, 4].map((seed) => `${JSON.stringify(simulate({ seed, requests: 20 }))}\n`);
  assert.equal(printed, expected.join(""));
});

test("one run can be recorded, several cannot", () => {
  assert.throws(() => run({ seed: 1, seeds: 2, record: "/dev/null" }), /--record takes one run/);
});

test("a violation is printed with all that it takes to see it again", () => {
  const report: SimulationReport = {
    ...simulate({ seed: 9, requests: 20 }),
    violations: [{ checker: "endings", atUs: 0, request: "r7", message: "is settled twice" }],
    trace: ["1.000000 → {}"],
  };
  const text = violationText(report, { commit: "abc123", node: "v24.0.0" });
  assert.match(text, /seed 9 has a violation\n  endings: r7 is settled twice\n/);
  assert.match(text, /commit  abc123\nnode    v24\.0\.0\n/);
  assert.match(text, /npm run headgate -- simulate --seed 9 --requests 20\n/);
  assert.match(text, /1\.000000 → \{\}\n/);
});

test("the commit is that of the clone", () => {
  assert.match(currentCommit(), /^([0-9a-f]{40}(-dirty)?|unknown)$/);
});
