import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fitted } from "../../src/simulator/calibration/fit.ts";
import { connectOpenAi } from "../../src/simulator/calibration/openai-engine.ts";
import { readProfile } from "../../src/simulator/calibration/profile-file.ts";
import { runCli } from "../cli/run.ts";
import { MODEL, startWorker, type WorkerClient } from "../worker/harness.ts";

/** One real worker, measured in each way there is. */
let worker: WorkerClient;
let folder: string;
before(async () => {
  worker = await startWorker();
  folder = mkdtempSync(join(tmpdir(), "headgate-calibrate-"));
});
after(async () => {
  rmSync(folder, { recursive: true, force: true });
  await worker.close();
});

test("a worker is measured over its own wire, and the profile is one that --fleet takes", async () => {
  const path = join(folder, "profile.json");
  const url = worker.worker.url;
  const given = ["--url", url, "-o", path, "--rounds", "1", "--name", "measured"];
  const { code, stdout, stderr } = await runCli("calibrate", ...given);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /prefill = .* off by .*\n[^]*decode  = .* off by /);
  const profile = readProfile(path);
  assert.equal(profile.name, "measured");
  assert.equal(profile.contextTokens, MODEL.contextTokens);
  assert.equal(profile.sequencesMax, MODEL.slots);
  assert.equal(profile.kvTokens, MODEL.contextTokens! * MODEL.slots!);
  assert.equal(profile.batching.kind, "mixed");
  assert.ok(fitted([1, 100, 10_000], profile.prefillUs) > 0);
  assert.ok(fitted([1, 2, 100], profile.decodeUs) > 0);
});

test("over OpenAI's interface, tokens and their times come with usage", async () => {
  const engine = await connectOpenAi(new URL(worker.worker.url), { model: null, key: undefined });
  assert.equal(engine.facts.contextTokens, MODEL.contextTokens);
  const signal = new AbortController().signal;
  const timing = await engine.generate({ prompt: "one two three", outputTokens: 8, signal });
  assert.ok(timing.promptTokens > 0);
  assert.ok(timing.outputTokens >= 1 && timing.outputTokens <= 8);
  assert.ok(timing.arrivedMs.length > 0);
  assert.ok(timing.arrivedMs.every((ms, i) => ms >= (timing.arrivedMs[i - 1] ?? timing.sentMs)));
});

test("what is missing is said: what to measure, which model, how large its cache is", async () => {
  const nothing = await runCli("calibrate");
  assert.match(nothing.stderr, /either --url or --gguf/);
  const { stderr } = await runCli("calibrate", "--url", worker.worker.url, "--model", "no-such");
  assert.match(stderr, /--model: .* serves tiny/);
  const nobody = await runCli("calibrate", "--url", "http://127.0.0.1:1");
  assert.match(nobody.stderr, /can't be measured: connect ECONNREFUSED/);
  assert.deepEqual([nothing.code, nobody.code], [1, 1]);
});
