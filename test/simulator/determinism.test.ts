import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { simulate } from "../../src/simulator/simulate.ts";

const PROGRAM = `
  import { simulate } from ${JSON.stringify(new URL("../../src/simulator/simulate.ts", import.meta.url))};
  console.log(JSON.stringify([3, 4].map((seed) => simulate({ seed }))));
`;

function runElsewhere(): string {
  const program = ["--input-type=module-typescript", "--eval", PROGRAM];
  return execFileSync(process.execPath, program, { encoding: "utf8" }).trim();
}

test("a seed gives the same report, byte for byte, in two processes", () => {
  const first = runElsewhere();
  assert.equal(runElsewhere(), first);
  assert.equal(JSON.stringify([3, 4].map((seed) => simulate({ seed }))), first);
});

test("another seed gives another run", () => {
  assert.notEqual(simulate({ seed: 3 }).hash, simulate({ seed: 4 }).hash);
});

test("checkers change nothing, nor does a recording", () => {
  const { hash } = simulate({ seed: 5, requests: 50 });
  assert.equal(simulate({ seed: 5, requests: 50, record: "/dev/null" }).hash, hash);
});
