import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { replay } from "../../src/recording/replay.ts";

test("what was recorded before kill -9 can be replayed", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "headgate-recording-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "killed.jsonl");
  const module_ = new URL("../../src/simulator/simulate.ts", import.meta.url).href;
  // Its footer would come after hours of virtual time; it is killed long before that.
  const program = `
    import { simulate } from ${JSON.stringify(module_)};
    console.log("begins");
    simulate({ seed: 1, requests: 10_000_000, record: ${JSON.stringify(path)} });
  `;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "--eval", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  while ((await eventsIn(path)) < 100);
  child.kill("SIGKILL");
  await once(child, "close");

  const report = await replay(path);
  assert(report.events >= 100);
  assert.equal(report.recordedHash, null);
  assert.equal(report.identical, false);
});

/** 0 while there is no file yet, or no header in it. */
async function eventsIn(path: string): Promise<number> {
  try {
    return (await replay(path)).events;
  } catch {
    return 0;
  }
}
