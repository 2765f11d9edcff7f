import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ConfigError, loadConfig, parseConfig } from "../../src/config/load.ts";
import { toCoreConfig } from "../../src/config/core-config.ts";

let folder = "";
before(() => {
  folder = mkdtempSync(join(tmpdir(), "headgate-prices-"));
});
after(() => rmSync(folder, { recursive: true }));

const parsed = (text: string): ReturnType<typeof toCoreConfig>["prices"] =>
  toCoreConfig(parseConfig(text, { path: "h.yaml" })).prices;

function micros(instant: string): number {
  return Date.parse(instant) * 1_000;
}

function flat(rate: number): object {
  return { input: rate, cachedInput: rate, output: rate, request: 0 };
}

test("a price with every tier", () => {
  const text = `
prices:
  m:
    input: "1.25"
    output: "10"
    cached_input: "0.125"
    reasoning: "12"
    request: 0.001
    long_context:
      - { above: 200000, input: "2.5", output: "15", cached_input: "0.25", reasoning: "18" }
    batch: { input: "0.625", output: "5" }
`;
  assert.deepEqual(parsed(text), {
    m: {
      input: 1_250_000_000,
      cachedInput: 125_000_000,
      output: 10_000_000_000,
      reasoning: 12_000_000_000,
      request: 1_000_000,
      longContext: [
        {
          aboveTokens: 200_000,
          input: 2_500_000_000,
          cachedInput: 250_000_000,
          output: 15_000_000_000,
          reasoning: 18_000_000_000,
        },
      ],
      batch: { input: 625_000_000, cachedInput: 625_000_000, output: 5_000_000_000 },
    },
  });
});

test("prices from a day or an instant on, in UTC, in whatever order they are written", () => {
  const text = `
prices:
  m:
    - { from: 2026-12-01T08:00:00+02:00, input: 3, output: 3 }
    - { input: 1, output: 1 }
    - { from: 2026-12-01, input: 2, output: 2 }
  later: { from: 2026-12-01, input: 1, output: 1 }
`;
  const { m, later } = parsed(text);
  assert.deepEqual(
    [m, later].map(
      (prices) => Array.isArray(prices) && prices.map(({ fromUs, price }) => [fromUs, price.input / 1e9]),
    ),
    [
      [
        [0, 1],
        [micros("2026-12-01T00:00:00Z"), 2],
        [micros("2026-12-01T06:00:00Z"), 3],
      ],
      [[micros("2026-12-01T00:00:00Z"), 1]],
    ],
  );
});

const mistakes = [
  ["prices:\n  m: []\n", "h.yaml:2:3: prices.m: give a price"],
  ["prices:\n  m: 5\n", "h.yaml:2:3: prices.m: Invalid input: expected object"],
  ["prices:\n  m: {inptu: 1, output: 1}\n", "h.yaml:2:3: prices.m.input: give USD as a decimal"],
  [
    "prices:\n  m: {input: 1, output: 1, outptu: 1}\n",
    "h.yaml:2:28: prices.m.outptu: there is no such setting",
  ],
  [
    "prices:\n  m:\n    - {input: 1, output: 1}\n    - {from: soon, input: 1, output: 1}\n",
    "h.yaml:4:8: prices.m.1.from: give a day or an instant, such as 2026-12-01",
  ],
  [
    "prices:\n  m:\n    - {input: 1, output: 1}\n    - {input: 2, output: 1}\n",
    "h.yaml:4:7: prices.m.1: say from when it is in force: another is as well",
  ],
  [
    "prices:\n  m:\n    - {from: 2026-12-01, input: 1, output: 1}\n    - {from: 2026-12-01T00:00:00Z, input: 2, output: 1}\n",
    "h.yaml:4:8: prices.m.1.from: another begins at that instant",
  ],
  [
    "prices:\n  m:\n    input: 2\n    output: 2\n    long_context:\n      - {above: 5, input: 1, output: 2}\n",
    "h.yaml:6:20: prices.m.long_context.0.input: must not be below the 2 of shorter prompts",
  ],
  [
    "prices:\n  m:\n    input: 1\n    output: 1\n    long_context: [{above: 5, input: 1, output: 1}, {above: 5, input: 1, output: 1}]\n",
    "h.yaml:5:54: prices.m.long_context.1.above: must be more than that of the tier before",
  ],
  [
    "prices:\n  m:\n    input: 1\n    output: 1\n    batch: {input: 0.5, output: 1.5}\n",
    "h.yaml:5:25: prices.m.batch.output: must not be above the 1 of what is not in a batch",
  ],
  [
    "prices:\n  m: {gpu_hour: 2, utilisation: 0.6}\n",
    "h.yaml:2:3: prices.m.throughput: give prefill_tokens_per_second and decode_tokens_per_second, or the throughput",
  ],
  [
    "prices:\n  m: {gpu_hour: 2, utilisation: 0.6, prefill_tokens_per_second: 5}\n",
    "h.yaml:2:3: prices.m.decode_tokens_per_second: give tokens a second",
  ],
  [
    "prices:\n  m: {gpu_hour: 2, utilisation: 1.6, throughput: h100-llama-3.1-8b}\n",
    "h.yaml:2:20: prices.m.utilisation: give the share of paid time",
  ],
  [
    "prices:\n  m: {gpu_hour: 2, utilisation: 0.6, throughput: h100-lama}\n",
    'h.yaml:2:3: prices.m: There is no engine profile "h100-lama"',
  ],
  [
    "prices:\n  m: {gpu_hour: 2, utilisation: 0.6, prefill_tokens_per_second: 1, decode_tokens_per_second: 0.0001}\n",
    "h.yaml:2:3: prices.m: it comes to",
  ],
] as const;

for (const [text, message] of mistakes) {
  test(`says ${message}`, () => {
    assert.throws(
      () => parseConfig(text, { path: "h.yaml" }),
      (error) => {
        assert(error instanceof ConfigError);
        assert.equal(error.message.slice(0, message.length), message);
        return true;
      },
    );
  });
}

test("a price by the GPU-hour, from tokens a second that were given", () => {
  const text = `
prices:
  m:
    gpu_hour: "3.6"
    gpus: 2
    utilisation: 0.5
    prefill_tokens_per_second: 4000
    decode_tokens_per_second: 1000
    cached_input: 0
    request: 0.001
`;
  assert.deepEqual(parsed(text), {
    m: { input: 1_000_000_000, cachedInput: 0, output: 4_000_000_000, request: 1_000_000 },
  });
});

const REMOTE = '{name: r, url: "http://localhost", models: {listed: x, both: y}}';

test("a catalogue's prices stand below those of the configuration", () => {
  writeFileSync(
    join(folder, "prices.yaml"),
    "prices:\n  listed: {input: '1', output: '1'}\n  both: [{input: '1', output: '1'}, {from: 2026-12-01, input: '2', output: '2'}]\n",
  );
  const path = join(folder, "headgate.yaml");
  writeFileSync(
    path,
    `remotes: [${REMOTE}]\nprice_catalogue: prices.yaml\nprices: {both: {input: 5, output: 5}}\n`,
  );
  const { prices } = toCoreConfig(loadConfig(path).config);
  assert.deepEqual(prices, { listed: flat(1e9), both: flat(5e9) });
});

test("what is wrong in a catalogue is named there, and a model without a price where it is configured", () => {
  const path = join(folder, "wrong.yaml");
  const load = (text: string): void => {
    writeFileSync(path, text);
    loadConfig(path);
  };
  writeFileSync(join(folder, "broken.yaml"), "prices:\n  listed: {input: '1', output: x}\n");
  assert.throws(
    () => load(`remotes: [${REMOTE}]\nprice_catalogue: broken.yaml\n`),
    (error: Error) =>
      error.message.startsWith(`${join(folder, "broken.yaml")}:2:24: prices.listed.output: give USD`),
  );
  assert.throws(() => load("price_catalogue: none.yaml\n"), /none\.yaml: cannot be read/);
  writeFileSync(join(folder, "half.yaml"), "prices: {listed: {input: 1, output: 1}}\n");
  assert.throws(
    () => load(`remotes: [${REMOTE}]\nprice_catalogue: half.yaml\n`),
    /wrong\.yaml:1:66: remotes\.0\.models\.both: it has no price: add prices\.both, or a default_price/,
  );
});
