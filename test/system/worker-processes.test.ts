import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createWorkerProcesses } from "../../src/supervisor/worker-processes.ts";
import { aliveWorkers, startTestHeadgate, until } from "./headgate.ts";

const CLI = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

test("a worker that can't start ends, says so, and is started again", async () => {
  const exits: (number | null)[] = [];
  const processes = createWorkerProcesses(CLI, {
    started: () => {},
    progress: () => {},
    ready: () => assert.fail("it has no model"),
    exited: (_id, reason, restartMs) => {
      assert.equal(reason, "exit code 1");
      exits.push(restartMs);
    },
  });
  processes.start([{ id: "one", arguments: ["--model", "no/such.gguf", "--port", "0"] }]);
  await until(() => exits.length === 2);
  await processes.stop(0);
  assert.deepEqual(exits.slice(0, 2), [500, 1_000]);
});

test("a worker that hangs is given up, ended and started again, and its client is told", async () => {
  const headgate = await startTestHeadgate({
    workers: ["one"],
    sections: { heartbeats: { interval: 0.1, stale: 0.5, dead: 1 } },
  });
  try {
    headgate.signalWorker("one", "SIGSTOP");
    const answer = headgate.client.chat.completions.create({
      model: "default",
      messages: [{ role: "user", content: "Hello" }],
    });
    await assert.rejects(answer, { code: "upstream_failed" });
    await until(() => aliveWorkers(headgate) === 1);
    const again = await headgate.client.chat.completions.create({
      model: "default",
      messages: [{ role: "user", content: "Hello" }],
    });
    assert.equal(again.choices.length, 1);
  } finally {
    await headgate.stop();
  }
});
