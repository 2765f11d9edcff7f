import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { toCoreConfig } from "../../src/config/core-config.ts";
import { ConfigError, loadConfig, parseConfig } from "../../src/config/load.ts";

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
  ["server:\n  prot: 3\n", "h.yaml:2: server.prot: there is no such setting"],
  [
    "models:\n  a: {path: a.gguf}\naliases:\n  default: b\n",
    'h.yaml:4: aliases.default: there is no model "b"',
  ],
  ["models:\n  a: {path: a.gguf}\naliases:\n  a: a\n", `h.yaml:4: aliases.a: "a" is a model's own name`],
  ["limits:\n  choices_max: 0\n", "h.yaml:2: limits.choices_max: Too small: expected number to be >0"],
  ["placement:\n\n  policy: best\n", "h.yaml:3: placement.policy: Invalid option"],
  ["workers:\n  - id: w\n    models: [m]\n", 'h.yaml:3: workers.0.models.0: there is no "m" under models'],
  ["heartbeats:\n  dead: 20\n", "h.yaml:2: heartbeats.dead: must be longer than heartbeats.stale"],
  ["remotes:\n  - name: r\n    url: nowhere\n    models: {}\n", "h.yaml:3: remotes.0.url: Invalid URL"],
  [
    "models:\n  m: {path: m.gguf}\nworkers:\n  - {id: a, models: [m], port: 9}\n  - {id: b, models: [m], port: 9}\n",
    "h.yaml:5: workers.1.port: port 9 is taken by another",
  ],
  ["server: [1\n", "h.yaml:2: "],
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
  const text = "models:\n  here: {path: no.gguf}\n  there: {path: 'hf:someone/something/model.gguf'}\n";
  assert.throws(
    () => parseConfig(text, { path: "h.yaml", folder: import.meta.dirname }),
    (error) =>
      error instanceof ConfigError &&
      error.message === "h.yaml:2: models.here.path: there is no file no.gguf",
  );
});
