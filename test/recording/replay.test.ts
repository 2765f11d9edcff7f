import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { replay, type ReplayReport } from "../../src/recording/replay.ts";
import { simulate, type SimulationReport } from "../../src/simulator/simulate.ts";

describe("a recording", () => {
  const folder = mkdtempSync(join(tmpdir(), "headgate-recording-"));
  const path = join(folder, "run.jsonl");
  let run: SimulationReport;

  before(() => {
    run = simulate({ seed: 7, requests: 60, record: path });
  });
  after(() => rmSync(folder, { recursive: true }));

  /** Replays what is left of the recording after `change`. */
  async function replayChanged(change: (lines: string[]) => string[]): Promise<ReplayReport> {
    const changed = join(folder, "changed.jsonl");
    writeFileSync(changed, change(readFileSync(path, "utf8").split("\n")).join("\n"));
    return replay(changed);
  }

  test("replays to the identical hash in another process", async () => {
    const report = await replayElsewhere(path);
    assert.equal(report.identical, true);
    assert.equal(report.hash, run.hash);
    assert.equal(report.events, run.events);
    assert.equal(report.effects, run.effects);
  });

  test("no longer replays once a value in it has changed", async () => {
    const report = await replayChanged((lines) =>
      lines.map((line) => line.replace(/"tokens":\d+/, '"tokens":0')),
    );
    assert.equal(report.identical, false);
    assert.equal(report.recordedHash, run.hash);
  });

  test("no longer replays once an event is missing", async () => {
    const report = await replayChanged((lines) => lines.toSpliced(lines.length >> 1, 1));
    assert.equal(report.identical, false);
  });

  test("that was cut off replays as far as it goes, and says that it has no hash", async () => {
    const report = await replayChanged((lines) => [...lines.slice(0, 50), lines[50]!.slice(0, 20)]);
    assert.equal(report.events, 49);
    assert.equal(report.recordedHash, null);
    assert.equal(report.identical, false);
  });

  test("that is damaged in its middle is refused, with the number of the line", async () => {
    const damaged = replayChanged((lines) => lines.with(9, "[17000000,"));
    await assert.rejects(damaged, /Line 10 of .* is not JSON/);
  });

  test("is told apart from other files", async () => {
    await assert.rejects(
      replayChanged(() => []),
      /is not a recording/,
    );
    await assert.rejects(
      replayChanged(() => ['{"name":"headgate"}']),
      /is not a recording/,
    );
  });
});

async function replayElsewhere(path: string): Promise<ReplayReport> {
  const module_ = new URL("../../src/recording/replay.ts", import.meta.url).href;
  const program = `
    import { replay } from ${JSON.stringify(module_)};
    console.log(JSON.stringify(await replay(${JSON.stringify(path)})));
  `;
  const { stdout } = await promisify(execFile)(process.execPath, [
    "--input-type=module-typescript",
    "--eval",
    program,
  ]);
  return JSON.parse(stdout) as ReplayReport;
}
