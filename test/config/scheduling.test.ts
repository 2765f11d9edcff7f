import assert from "node:assert/strict";
import { test } from "node:test";
import { toCoreConfig } from "../../src/config/core-config.ts";
import { ConfigError, parseConfig } from "../../src/config/load.ts";
import { changesBetween, patched } from "../../src/config/scheduling-patch.ts";

test("without a word on scheduling there are three bands, fair shares, breakers and migration, and no hedge", () => {
  const { placement, queueing, tail } = toCoreConfig(parseConfig("", { path: "h.yaml" })).scheduling;
  assert.equal(placement.profile, "standard");
  assert.equal(placement.canary, null);
  assert.equal(placement.slo, null);
  assert.deepEqual(
    queueing.bands.map(({ name, isSheddable }) => [name, isSheddable]),
    [
      ["high", false],
      ["normal", false],
      ["low", true],
    ],
  );
  assert.deepEqual(queueing.fairness, { name: "vtc", parameters: {} });
  assert.equal(queueing.flowBy, "tenant");
  assert.deepEqual(tail, {
    hedge: null,
    backoff: { baseUs: 50_000, maxUs: 2_000_000 },
    breaker: { failures: 10, successes: 3, openUs: 60_000_000 },
    migration: true,
  });
});

test("everything that can be set arrives in the core's words and units", () => {
  const text = `
seed: 7
placement:
  policy: mine
  profiles:
    mine:
      filters: [context-length]
      scorers: [least-request, {name: token-load, weight: 2.5}]
      picker: {name: softmax, temperature: 0.5}
  canary: {profile: round-robin, share: 0.25}
  prefix: {block_tokens: 16}
  slo: {ttft: 0.5, tpot: 0.02}
queue:
  bands: [{name: only, ttl: 3, packets_max: 5, bytes_max: 600, sheddable: true}]
  band_policy: weighted
  fairness: {name: vtc, output_weight: 3}
  flow_by: header
  tenants: {acme: {weight: 2, concurrency_max: 4}}
  keys: {acme/alice: {weight: 0.5}}
admission:
  shedding: {name: probabilistic, factor: 30}
  rates: {tiny: {per_second: 2.5, burst: 4}}
tail:
  hedge: {percentile: 99}
  breaker: off
  migration: false
remotes:
  - {name: far, url: "http://localhost", models: {}, labels: {region: eu, weight: 3, capability: [tools, vision]}}
`;
  const { scheduling, seed, remotes } = toCoreConfig(parseConfig(text, { path: "h.yaml" }));
  assert.equal(seed, 7);
  assert.deepEqual(remotes[0]!.labels, { region: "eu", weight: "3", capability: "tools,vision" });
  assert.partialDeepStrictEqual(scheduling, {
    placement: {
      profile: "mine",
      profiles: {
        mine: {
          filters: [{ name: "context-length", parameters: {} }],
          scorers: [
            { name: "least-request", parameters: {}, weight: 1 },
            { name: "token-load", parameters: {}, weight: 2.5 },
          ],
          picker: { name: "softmax", parameters: { temperature: 0.5 } },
        },
      },
      canary: { profile: "round-robin", share: 0.25 },
      prefix: { blockTokens: 16, blocksMax: 1_000_000 },
      slo: { ttftUs: 500_000, tpotUs: 20_000 },
    },
    queueing: {
      bands: [{ name: "only", weight: 1, packetsMax: 5, bytesMax: 600, ttlUs: 3_000_000, isSheddable: true }],
      bandPolicy: { name: "weighted", parameters: {} },
      fairness: { name: "vtc", parameters: { output_weight: 3 } },
      flowBy: "hint",
      weights: { acme: 2, "acme/alice": 0.5 },
      caps: { acme: 4 },
    },
    admission: {
      shedding: { name: "probabilistic", parameters: { factor: 30 } },
      rates: { tiny: { perSecond: 2.5, burst: 4 } },
    },
    tail: { hedge: { percentile: 0.99, shareMax: 0.05, samplesMin: 100 }, breaker: null, migration: false },
  });
});

test("a seed is drawn where none is given", () => {
  const seeds = Array.from({ length: 8 }, () => toCoreConfig(parseConfig("", { path: "h.yaml" })).seed);
  assert.ok(new Set(seeds).size > 1);
  assert.ok(seeds.every((seed) => Number.isSafeInteger(seed) && seed >= 0));
});

const mistakes = [
  [
    "queue:\n  fairness: vtk\n",
    'h.yaml:2:3: queue.fairness: there is no fairness policy "vtk"; did you mean vtc? choose among ',
  ],
  [
    "placement:\n  profiles:\n    mine:\n      scorers:\n        - {name: token-laod, weight: 2}\n",
    'h.yaml:5:12: placement.profiles.mine.scorers.0.name: there is no scorer "token-laod"; did you mean token-load?',
  ],
  [
    "placement:\n  profiles:\n    mine:\n      picker: {name: softmax, temperature: -1}\n",
    "h.yaml:4:31: placement.profiles.mine.picker.temperature: must be from ",
  ],
  [
    "placement:\n  profiles:\n    mine:\n      picker: {name: softmax, heat: 1}\n",
    'h.yaml:4:31: placement.profiles.mine.picker.heat: there is no parameter of softmax "heat"; choose among temperature',
  ],
  [
    "placement:\n  profiles:\n    mine:\n      picker: {name: max-score, heat: 1}\n",
    "h.yaml:4:33: placement.profiles.mine.picker.heat: max-score has no parameters",
  ],
  [
    "placement:\n  profiles:\n    mine:\n      picker: {temperature: 1}\n",
    "h.yaml:4:7: placement.profiles.mine.picker: give the name of a policy",
  ],
  [
    "placement:\n  profiles:\n    mine:\n      filters: [region]\n",
    "h.yaml:4:17: placement.profiles.mine.filters.0: region goes by labels, and no worker or remote has any",
  ],
  [
    "placement:\n  policy: prefix-precise\n",
    "h.yaml:2:3: placement.policy: prefix-precise: prefix-precise goes by what caches hold, which only embedded workers",
  ],
  [
    "placement:\n  canary: {profile: predicted-latency, share: 0.1}\n",
    "h.yaml:2:12: placement.canary.profile: predicted-latency: predicted-latency goes by an SLO, and none is configured",
  ],
  [
    "placement:\n  profiles:\n    random: {}\n",
    'h.yaml:3:5: placement.profiles.random: "random" comes with Headgate: choose another name',
  ],
  ["queue:\n  bands: [{name: a}, {name: a}]\n", 'h.yaml:2:23: queue.bands.1.name: "a" is used twice'],
  [
    "queue:\n  tenants:\n    acme: {priority: hihg}\n",
    'h.yaml:3:12: queue.tenants.acme.priority: there is no band "hihg"; did you mean high? choose among high, low, normal',
  ],
  [
    "queue:\n  keys:\n    alice: {}\n",
    "h.yaml:3:5: queue.keys.alice: write it as tenant/key, with projects between them: acme/research/alice",
  ],
  ["tail:\n  backoff: {base: 3}\n", "h.yaml:2:3: tail.backoff.max: must not be below tail.backoff.base"],
  ["tail:\n  hedge: 3\n", "h.yaml:2:3: tail.hedge: "],
  ["tail:\n  breaker: {failures: 0}\n", "h.yaml:2:13: tail.breaker.failures: "],
] as const;

for (const [text, message] of mistakes) {
  test(`says ${message}`, () => {
    assert.throws(
      () => parseConfig(text, { path: "h.yaml" }),
      (error) => {
        assert.ok(error instanceof ConfigError);
        assert.ok(error.message.startsWith(message), error.message);
        return true;
      },
    );
  });
}

test("what produces a signal makes the policies that go by it possible", () => {
  const region = "placement: {policy: mine, profiles: {mine: {filters: [region]}}}\n";
  const remote = 'remotes: [{name: r, url: "http://localhost", models: {}, labels: {region: eu}}]\n';
  assert.equal(parseConfig(region + remote, { path: "h.yaml" }).placement.policy, "mine");
  const slo = "placement: {policy: predicted-latency, slo: {ttft: 1, tpot: 0.1}}\n";
  assert.equal(parseConfig(slo, { path: "h.yaml" }).placement.policy, "predicted-latency");
  const worker =
    "models: {m: {path: m}}\nworkers: [{id: w, models: [m]}]\ndefault_price: {input: 1, output: 1}\n";
  const precise = parseConfig(`${worker}placement: {policy: prefix-precise}\n`, { path: "h.yaml" });
  assert.equal(precise.placement.policy, "prefix-precise");
});

test("a patch keeps what it does not name, replaces policies as a whole, and takes out what is null", () => {
  const before = {
    placement: { policy: "a", prefix: { block_tokens: 16, blocks_max: 9 }, canary: "off" },
    queue: {
      fairness: { name: "vtc", input_weight: 2 },
      tenants: { acme: { weight: 2 }, zeta: { weight: 3 } },
    },
  };
  const patch = {
    placement: { prefix: { block_tokens: 32 }, canary: { profile: "b", share: 0.1 } },
    queue: { fairness: { name: "drr" }, tenants: { acme: { priority: "low" }, zeta: null } },
  };
  assert.deepEqual(patched(before, patch), {
    placement: {
      policy: "a",
      prefix: { block_tokens: 32, blocks_max: 9 },
      canary: { profile: "b", share: 0.1 },
    },
    queue: { fairness: { name: "drr" }, tenants: { acme: { priority: "low" } } },
  });
});

test("changes are told setting by setting", () => {
  const before = { placement: { policy: "a", slo: "off" }, queue: { tenants: {} } };
  const after = { placement: { policy: "b", slo: "off" }, queue: { tenants: { acme: { weight: 2 } } } };
  assert.deepEqual(changesBetween(before, after), [
    { setting: "placement.policy", before: "a", after: "b" },
    { setting: "queue.tenants.acme", before: undefined, after: { weight: 2 } },
  ]);
});
