import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { toCoreConfig } from "../../src/config/core-config.ts";
import { ConfigError, loadConfig, parseConfig, stateFolder } from "../../src/config/load.ts";

const DEFAULT_CONFIG = fileURLToPath(new URL("../../headgate.yaml", import.meta.url));

test("the default configuration loads, and its default model is one of its models", () => {
  const { config } = loadConfig(DEFAULT_CONFIG);
  assert.ok(config.models[config.aliases["default"]!]);
  assert.ok(config.workers.length > 0);
});

test("an empty file is a configuration of defaults", () => {
  const core = toCoreConfig(parseConfig("", { path: "empty.yaml" }));
  assert.equal(core.limits.sessionsMax, 1_000);
  assert.equal(core.timeouts.queueUs, 30_000_000);
  assert.deepEqual(core.heartbeats, {
    staleUs: 30_000_000,
    deadUs: 60_000_000,
    behindMs: 30_000,
    aheadMs: 5_000,
  });
});

const mistakes = [
  ["server:\n  prot: 3\n", "h.yaml:2:3: server.prot: there is no such setting"],
  [
    "models:\n  a: {path: a.gguf}\naliases:\n  default: b\n",
    'h.yaml:4:3: aliases.default: there is no model "b"',
  ],
  ["models:\n  a: {path: a.gguf}\naliases:\n  a: a\n", `h.yaml:4:3: aliases.a: "a" is a model's own name`],
  ["limits:\n  choices_max: 0\n", "h.yaml:2:3: limits.choices_max: Too small: expected number to be >0"],
  [
    "placement:\n\n  policy: best\n",
    'h.yaml:3:3: placement.policy: there is no profile "best"; choose among bounded-hash, ',
  ],
  [
    "remotes:\n  - {name: r, url: 'http://x', models: {m: m}, gpus: 2}\ndefault_price: {input: 1, output: 1}\n",
    "h.yaml:2:48: remotes.0.gpus: give concurrency_max, too: each request is charged its part of the GPUs",
  ],
  ["workers:\n  - id: w\n    models: [m]\n", 'h.yaml:3:14: workers.0.models.0: there is no "m" under models'],
  ["heartbeats:\n  dead: 20\n", "h.yaml:2:3: heartbeats.dead: must be longer than heartbeats.stale"],
  ["remotes:\n  - name: r\n    url: nowhere\n    models: {}\n", "h.yaml:3:5: remotes.0.url: Invalid URL"],
  [
    "models:\n  m: {path: m.gguf}\nworkers:\n  - {id: a, models: [m], port: 9}\n  - {id: b, models: [m], port: 9}\n",
    "h.yaml:5:26: workers.1.port: port 9 is taken by another",
  ],
  ["server: [1\n", "h.yaml:2:1: "],
  [
    "models:\n  m: {path: m.gguf}\n",
    "h.yaml:2:3: models.m: it has no price: add prices.m, or a default_price",
  ],
  [
    "remotes:\n  - name: r\n    url: http://localhost\n    models:\n      m: theirs\n",
    "h.yaml:5:7: remotes.0.models.m: it has no price: add prices.m, or a default_price",
  ],
  ["prices:\n  m:\n    input: 1\n", "h.yaml:2:3: prices.m.output: give USD as a decimal"],
  ["prices:\n  m: {input: -1, output: 1}\n", "h.yaml:2:7: prices.m.input: give USD as a decimal"],
  [
    "prices:\n  m: {input: 0.0000000001, output: 1}\n",
    "h.yaml:2:7: prices.m.input: give USD as a decimal, such as 0.15, at most a million",
  ],
  [
    "prices:\n  m: {input: 123456.7890123456, output: 1}\n",
    "h.yaml:2:7: prices.m.input: a number this long is rounded: write it in quotes",
  ],
  [
    "default_price:\n  input: 1\n  output: 1\n  cached_input: 1.01\n",
    "h.yaml:4:3: default_price.cached_input: must not be above input",
  ],
  ["server: {keyless: sometimes}\n", "h.yaml:1:10: server.keyless: Invalid option"],
] as const;

for (const [text, message] of mistakes) {
  test(`says ${message}`, () => {
    assert.throws(
      () => parseConfig(text, { path: "h.yaml" }),
      (error) => error instanceof ConfigError && error.message.startsWith(message),
    );
  });
}

test("every mistake is reported at once", () => {
  const text = "server:\n  prot: 3\nlimits:\n  choices_max: 0\n";
  assert.throws(
    () => parseConfig(text, { path: "h.yaml" }),
    (error) => error instanceof ConfigError && error.message.split("\n").length === 2,
  );
});

test("a file that cannot be read is named", () => {
  assert.throws(() => loadConfig("no/such.yaml"), /no\/such\.yaml: cannot be read/);
});

test("a model's file has to be there; an address of a hub is left for the worker to find", () => {
  const models = "models:\n  here: {path: no.gguf}\n  there: {path: 'hf:someone/something/model.gguf'}\n";
  const text = `${models}default_price: {input: 1, output: 1}\n`;
  assert.throws(
    () => parseConfig(text, { path: "h.yaml", folder: import.meta.dirname }),
    (error) =>
      error instanceof ConfigError &&
      error.message === "h.yaml:2:10: models.here.path: there is no file no.gguf",
  );
});

test("prices are exact to the nano-USD, of whatever kind of number they are written as", () => {
  const text = `
prices:
  plain: { input: 0.15, output: 0.6 }
  fine: { input: 1e-7, output: "0.123456789", cached_input: 0, request: 0.0005 }
  large: { input: "999999.999999999", output: 1000000 }
default_price: { input: 0, output: 0 }
`;
  const core = toCoreConfig(parseConfig(text, { path: "h.yaml" }));
  assert.deepEqual(core.prices, {
    plain: { input: 150_000_000, cachedInput: 150_000_000, output: 600_000_000, request: 0 },
    fine: { input: 100, cachedInput: 0, output: 123_456_789, request: 500_000 },
    large: {
      input: 999_999_999_999_999,
      cachedInput: 999_999_999_999_999,
      output: 1_000_000_000_000_000,
      request: 0,
    },
  });
  assert.deepEqual(core.defaultPrice, { input: 0, cachedInput: 0, output: 0, request: 0 });
});

test("a remote's models have its ceiling on tokens, unless a model of our own or a remote before it says another", () => {
  const text = `
models: {both: {path: m.gguf, max_tokens_default: 9}}
remotes:
  - {name: a, url: "http://localhost", models: {both: b, first: f}, max_tokens_default: 77}
  - {name: b, url: "http://localhost", models: {first: f, second: s}}
default_price: {input: 0, output: 0}
`;
  const { models } = toCoreConfig(parseConfig(text, { path: "h.yaml" }));
  assert.deepEqual(models, {
    both: { maxTokensDefault: 9 },
    first: { maxTokensDefault: 77 },
    second: { maxTokensDefault: 4_096 },
  });
});

test("models of the default configuration cost more the larger they are", () => {
  const { prices } = loadConfig(DEFAULT_CONFIG).config;
  const rising = ["headgate-0.3m", "headgate-1m", "headgate-4m-q8", "headgate-4m"].map(
    (name) => prices[name]![0]!.price.output,
  );
  assert.deepEqual(
    rising,
    rising.toSorted((a, b) => a - b),
  );
  assert.equal(new Set(rising).size, rising.length);
});

test("the state folder is beside the configuration, unless it says otherwise", () => {
  const folders = [
    ["", "/etc/hg/.headgate"],
    ["state: ../lib\n", "/etc/lib"],
    ["state: /var/lib/headgate\n", "/var/lib/headgate"],
  ] as const;
  for (const [text, folder] of folders) {
    assert.equal(stateFolder(parseConfig(text, { path: "h.yaml" }), "/etc/hg/h.yaml"), folder);
  }
});
