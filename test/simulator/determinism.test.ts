import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { replay } from "../../src/recording/replay.ts";
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

test("each life of the supervisor can be recorded, and replayed by itself", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "headgate-lives-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const { crashes, events } = simulate({
    seed: 13,
    requests: 50,
    faults: ["crash"],
    record: join(folder, "life"),
  });
  const lives = readdirSync(folder).sort();
  assert(crashes > 0);
  assert.equal(lives.length, crashes + 1);
  let replayed = 0;
  for (const life of lives) {
    const report = await replay(join(folder, life));
    assert(report.identical);
    replayed += report.events;
  }
  assert.equal(replayed, events);
});

test("checkers change nothing, nor does a recording", () => {
  const { hash } = simulate({ seed: 5, requests: 50 });
  assert.equal(simulate({ seed: 5, requests: 50, record: "/dev/null" }).hash, hash);
});
