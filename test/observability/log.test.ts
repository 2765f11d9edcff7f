import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const LOG = fileURLToPath(new URL("../../src/observability/log.ts", import.meta.url));
const LINES = 1_000;

// Lines are gathered before they are written, so each way to end has to write the last of them.
const ENDINGS = {
  "with nothing left to do": "",
  "by process.exit": "process.exit(0);",
  "by an error that nobody catches": 'setTimeout(() => { throw new Error("on purpose"); }, 1);',
};

for (const [how, ending] of Object.entries(ENDINGS)) {
  test(`a process that ends ${how} has written every line, in order`, () => {
    const program = `
      const { createLog } = await import(${JSON.stringify(LOG)});
      const log = createLog("info");
      for (let number = 0; number < ${LINES}; number++) log.info({ number }, "line");
      ${ending}`;
    const { stdout } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
      encoding: "utf8",
    });
    const lines = stdout.trimEnd().split("\n");
    const numbers = lines.map((line) => (JSON.parse(line) as { number: number }).number);
    assert.deepEqual(
      numbers,
      Array.from({ length: LINES }, (_, number) => number),
    );
  });
}
