import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { loadCatalogue } from "../../src/config/load.ts";
import type { ModelPrices } from "../../src/prices/price-report.ts";
import { runCli } from "./run.ts";

/** Models that are priced in every way there is, or not at all. */
const CONFIG = `
remotes:
  - {name: r, url: "http://localhost", models: {plain: x, dated: x, rented: x, unlisted: x}}
default_price: {input: 9, output: 9}
prices:
  plain: {input: "0.15", output: "0.6", cached_input: "0.015", long_context: [{above: 1000, input: 1, output: 1}]}
  dated:
    - {input: 1, output: 1}
    - {from: 2020-01-01, input: 2, output: 2}
    - {from: 9999-01-01T06:00:00Z, input: 3, output: 3, batch: {input: 1, output: 1}}
  rented: {gpu_hour: "3.6", gpus: 2, utilisation: 0.5, prefill_tokens_per_second: 4000, decode_tokens_per_second: 1000}
  measured: {gpu_hour: 2, utilisation: 0.6, throughput: h100-llama-3.1-8b}
`;

/** Made up, in the format of LiteLLM's. */
const LITELLM = `{
  "vendor/large": {"mode": "chat", "input_cost_per_token": 2e-06, "output_cost_per_token": 8e-06, "input_cost_per_image": 1e-03},
  "vendor/small": {"mode": "chat", "input_cost_per_token": 1e-07, "output_cost_per_token": 4e-07},
  "painter": {"mode": "image_generation", "output_cost_per_image": 0.02}
}`;

let folder = "";
let config = "";
let file = "";
before(() => {
  folder = mkdtempSync(join(tmpdir(), "headgate-prices-"));
  config = join(folder, "headgate.yaml");
  file = join(folder, "litellm.json");
  writeFileSync(config, CONFIG);
  writeFileSync(file, LITELLM);
});
after(() => rmSync(folder, { recursive: true }));

async function run(...given: string[]): Promise<{ stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await runCli("prices", ...given);
  assert.equal(code, 0, stderr);
  return { stdout, stderr };
}

async function refused(...given: string[]): Promise<string> {
  const { code, stderr } = await runCli("prices", ...given);
  assert.equal(code, 1);
  return stderr;
}

test("lists what every model costs now, has cost and will cost", async () => {
  const { stdout } = await run("list", "--config", config, "--json");
  const { models } = JSON.parse(stdout) as { models: ModelPrices[] };
  assert.deepEqual(
    models.map(({ model, configured, prices }) => [
      model,
      configured,
      ...prices.map(({ state, price: { from = "ever", input } }) => `${state}, from ${from}: ${input}`),
    ]),
    [
      [
        "dated",
        true,
        "past, from ever: 1",
        "in force, from 2020-01-01: 2",
        "to come, from 9999-01-01T06:00:00Z: 3",
      ],
      ["measured", false, models[1]!.prices.map(({ price }) => `in force, from ever: ${price.input}`)[0]],
      ["plain", true, "in force, from ever: 0.15"],
      ["rented", true, "in force, from ever: 1"],
      ["unlisted", true, "default, from ever: 9"],
    ],
  );
  const lines = (await run("list", "--config", config)).stdout.trimEnd().split("\n");
  assert.equal(lines.length, 8);
  assert.match(lines[0]!, /^model +state +from +input +cached +output +reasoning +request +also$/);
  assert.match(lines[5]!, /^plain +in force +0\.15 +0\.015 +0\.6 +0\.6 +0 +long context$/);
});

test("shows the tiers of one model, and knows a name that was nearly right", async () => {
  const { stdout } = await run("show", "plain", "--config", config);
  assert.match(stdout, /^state: in force$[^]*^long_context:$[^]*above: 1000$/m);
  assert.match(
    await refused("show", "palin", "--config", config),
    /No model "palin" .* did you mean plain\?/,
  );
});

test("shows how a price comes from the GPU-hour", async () => {
  const { stdout } = await run("gpu", "--config", config);
  assert.match(stdout, /3\.6 × 2 ÷ 3600 ÷ 0\.5 ÷ 4000 × 1,000,000 = 1 USD for a million/);
  assert.match(stdout, /3\.6 × 2 ÷ 3600 ÷ 0\.5 ÷ 1000 × 1,000,000 = 4 USD for a million/);
  assert.match(stdout, /of h100-llama-3\.1-8b: prompts of 1024 tokens, answers of 256, \d+ at a time/);
  assert.match((await run("gpu", "plain", "--config", config)).stdout, /No price is given by the GPU-hour/);
});

test("imports a catalogue that a configuration can name, and says what is missing", async () => {
  const out = join(folder, "prices.yaml");
  const { stderr } = await run(
    "import",
    file,
    "--out",
    out,
    "--map",
    "mine=vendor/small",
    "--only",
    "vendor/l*",
  );
  assert.match(stderr, /^Models taken over: 2; left out: 0\.$/m);
  assert.match(stderr, /taken: vendor\/large: without input_cost_per_image/);
  const prices = loadCatalogue(out);
  assert.deepEqual(Object.keys(prices), ["vendor/large", "mine"]);
  assert.equal(prices["mine"]![0]!.price.output, 400_000_000);

  assert.match(
    await refused("import", file, "--from", "soon"),
    /give a day or an instant, such as 2026-12-01/,
  );
  assert.match(await refused("import", file, "--only", "nobody/*"), /no model like nobody\/\*/);
  assert.match(await refused("import", file, "--out", out), /exists already: give --force/);
  await run("import", file, "--out", out, "--force", "--from", "2026-12-01");
  assert.equal(loadCatalogue(out)["vendor/small"]![0]!.fromUs, Date.parse("2026-12-01") * 1_000);
});

test("prints a catalogue where no file is asked for, and remarks beside it", async () => {
  const { stdout, stderr } = await run("import", file, "--json");
  assert.match(stdout, /^prices:\n {2}vendor\/large:\n {4}input: "2"$/m);
  const report = JSON.parse(stderr) as { models: number; remarks: object[] };
  assert.equal(report.models, 2);
  assert.equal(report.remarks.length, 2);
});

test("a file that is none of LiteLLM's is refused, and nothing written", async () => {
  const out = join(folder, "none.yaml");
  assert.match(await refused("import", config, "--out", out), /headgate\.yaml can't be imported: /);
  assert.ok(!existsSync(out));
  assert.equal(readFileSync(config, "utf8"), CONFIG);
});
