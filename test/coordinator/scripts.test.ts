import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { ScriptedServer } from "../fakes/scripted-server.ts";
import { startTestHeadgate, type TestHeadgate } from "../system/headgate.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const path = fileURLToPath(new URL("../../models/headgate-4m.gguf", import.meta.url));
const QUESTION = "What is the capital of France?";

function start([program = "", ...given]: string[], variables: Record<string, string>): ChildProcess {
  const { PATH = "" } = process.env;
  return spawn(program, given, { cwd: root, env: { PATH, ...variables } });
}

/** Runs a command to its end. */
async function run(
  command: string[],
  variables: Record<string, string>,
): Promise<{ code: unknown; stdout: string; stderr: string }> {
  const child = start(command, variables);
  const [[code], stdout, stderr] = await Promise.all([
    once(child, "close"),
    text(child.stdout!),
    text(child.stderr!),
  ]);
  return { code, stdout, stderr };
}

for (const { script, command, needs } of [
  { script: "test_inference.py", command: ["python3", "test_inference.py"], needs: ["python3"] },
  { script: "test_inference.sh", command: ["bash", "test_inference.sh"], needs: ["bash", "curl"] },
]) {
  const missing = needs.find((program) => spawnSync(program, ["--version"]).status !== 0);
  const skip = missing === undefined ? false : `${missing} is not installed`;

  describe(script, { skip }, () => {
    let headgate: TestHeadgate;
    let coordinator: ScriptedServer;
    before(async () => {
      const workers = ["one", "two"].map((id) => ({ id, models: ["headgate-4m"], threads: 1 }));
      const sections = {
        models: { "headgate-4m": { path } },
        workers,
        aliases: { default: "headgate-4m" },
        default_price: { input: 1, output: 1 },
      };
      headgate = await startTestHeadgate({ workers: ["one", "two"], sections });
      coordinator = await ScriptedServer.start();
    });
    after(async () => {
      await headgate.stop();
      await coordinator.close();
    });

    it("gets an answer from real workers, by address or by port", async () => {
      const { port } = new URL(headgate.url);
      for (const where of [{ COORDINATOR_URL: `${headgate.url}/` }, { PORT: port }]) {
        const { code, stdout, stderr } = await run([...command, QUESTION, "1000"], where);
        assert.match(stdout, /Paris.*\n$/);
        assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
      }
    });

    it("asks the model it is told to, and says what to do when there is none", async () => {
      const where = { COORDINATOR_URL: headgate.url };
      assert.equal((await run([...command, QUESTION], { ...where, MODEL: "headgate-4m" })).code, 0);
      const { code, stdout, stderr } = await run([...command, QUESTION, "10"], { ...where, MODEL: "gpt-9" });
      assert.deepEqual({ code, stdout }, { code: 1, stdout: "" });
      assert.match(stderr, /^404: .*gpt-9.*GET \/v1\/models/);
    });

    it("says what to do when nobody answers", async () => {
      const gone = await ScriptedServer.start();
      await gone.close();
      const { code, stderr } = await run([...command, QUESTION], { COORDINATOR_URL: gone.url });
      assert.equal(code, 1);
      assert.match(stderr, /npm start.*COORDINATOR_URL/);
    });

    for (const given of [[], [QUESTION, "many"], [QUESTION, "1", "2"]]) {
      it(`refuses to be started with ${JSON.stringify(given)}`, async () => {
        const { code, stderr } = await run([...command, ...given], {});
        assert.equal(code, 1);
        assert.match(stderr, /usage|no number/);
      });
    }

    it("prints each token as it comes, whatever is in it, and sends questions as they are", async () => {
      const question = 'Say "é"\\n,\n\t100% of \\"it\\"';
      const child = start([...command, question, "7"], {
        COORDINATOR_URL: coordinator.url,
        LC_ALL: "C.UTF-8",
      });
      const call = await coordinator.next();
      assert.deepEqual(call.body, { prompt: question, model: "default", max_tokens: 7 });
      call.openStream();
      call.event({ token: "one", seq: 0, finished: false });
      const [first] = (await once(child.stdout!, "data")) as [Buffer];
      assert.equal(first.toString(), "one");
      const tokens = ["error", '"error": "finished": true', "\\n\n", "🦊é%s", "\u0007/"];
      for (const [i, token] of tokens.entries()) call.event({ token, seq: i + 1, finished: false });
      call.event({ token: "", seq: 9, finished: true });
      call.end();
      assert.equal(await text(child.stdout!), `${tokens.join("")}\n`);
      assert.equal(child.exitCode ?? (await once(child, "exit"))[0], 0);
    });

    for (const [what, end, told] of [
      ["an error", { error: { message: 'The worker "w1" died.' }, finished: true }, /The worker "w1" died\./],
      ["nothing", null, /broke|ended without/],
    ] as const) {
      it(`does not take an answer for a whole one that ends with ${what}`, async () => {
        const running = run([...command, QUESTION], { COORDINATOR_URL: coordinator.url });
        const call = await coordinator.next();
        call.openStream();
        call.event({ token: "Par", seq: 0, finished: false });
        if (end === null) call.die();
        else call.event(end);
        call.end();
        const { code, stderr } = await running;
        assert.equal(code, 1);
        assert.match(stderr, told);
      });
    }
  });
}
