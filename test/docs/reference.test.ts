import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { parse } from "yaml";
import { policyIndexes } from "../../scripts/policy-indexes.ts";
import { POLICY_KINDS, type PolicyKind, PROFILES } from "../../src/config/catalogues.ts";
import { configReference } from "../../src/config/reference.ts";
import { policyReference } from "../../src/config/policy-reference.ts";
import { parseConfig } from "../../src/config/load.ts";
import type { Endpoint } from "../../src/core/fleet/endpoint.ts";
import type { ScorerDefinition } from "../../src/core/placement/contracts.ts";
import { errorReference } from "../../src/gateway/error-reference.ts";

const docs = new URL("../../docs/", import.meta.url);
const pages = {
  "configuration.md": configReference,
  "errors.md": errorReference,
  "policies.md": policyReference,
};

for (const [page, make] of Object.entries(pages)) {
  test(`docs/${page} is up to date`, () => {
    assert.equal(readFileSync(new URL(page, docs), "utf8"), make(), "run `npm run docs`");
  });
}

for (const { path, url, text } of policyIndexes()) {
  test(`src/core/${path} is up to date`, () => {
    assert.equal(readFileSync(url, "utf8"), text, "run `npm run docs`");
  });
}

test("every policy says what it is, under the name of its file", () => {
  const indexes = policyIndexes().map(({ url }) => url);
  for (const [kind, { policies }] of Object.entries<PolicyKind>(POLICY_KINDS)) {
    assert.ok(Object.keys(policies).length > 0, kind);
    for (const [name, definition] of Object.entries(policies)) {
      assert.equal(definition.name, name);
      assert.match(definition.summary, /\w.*[.:;]$/s, `${kind} ${name}`);
      assert.ok(
        indexes.some((index) => existsSync(new URL(`${name}.ts`, index))),
        `${kind} ${name}`,
      );
      for (const [parameter, { summary, default: usual, min = -Infinity, max = Infinity }] of Object.entries(
        definition.parameters,
      )) {
        assert.ok(summary !== "", `${name}.${parameter}`);
        if (typeof usual === "number") assert.ok(usual >= min && usual <= max, `${name}.${parameter}`);
      }
    }
  }
});

function profile(content: string, policy = "mine"): string {
  return `placement: {policy: ${policy}, slo: {ttft: 1, tpot: 1}${content}}\n`;
}

test("every profile and policy on the page can be put into a configuration", () => {
  const sources =
    "models: {m: {path: m}}\nworkers: [{id: w, models: [m], labels: {region: eu}}]\ndefault_price: {input: 1, output: 1}\n";
  const load = (text: string): unknown => parseConfig(sources + text, { path: "h.yaml" });
  for (const name of Object.keys(PROFILES)) load(profile("", name));
  const settings: Record<keyof typeof POLICY_KINDS, (name: string) => string> = {
    saturation: (name) => `admission: {saturation: ${name}}`,
    shedding: (name) => `admission: {shedding: ${name}}`,
    bands: (name) => `queue: {band_policy: ${name}}`,
    fairness: (name) => `queue: {fairness: ${name}}`,
    ordering: (name) => `queue: {ordering: ${name}}\nplacement: {slo: {ttft: 1, tpot: 1}}`,
    batching: (name) => `queue: {batching: ${name}}\nplacement: {slo: {ttft: 1, tpot: 1}}`,
    filter: (name) => profile(`, profiles: {mine: {filters: [${name}]}}`),
    scorer: (name) => profile(`, profiles: {mine: {scorers: [${name}]}}`),
    picker: (name) => profile(`, profiles: {mine: {picker: ${name}}}`),
    "batch placer": (name) => profile(`, profiles: {mine: {batch: ${name}}}`),
  };
  for (const [kind, { policies }] of Object.entries<PolicyKind>(POLICY_KINDS)) {
    for (const name of Object.keys(policies)) load(settings[kind as keyof typeof POLICY_KINDS](name));
  }
});

test("the examples on the page are good configurations", () => {
  const examples = [...policyReference().matchAll(/^```yaml\n([^]*?)^```/gm)].map(([, text]) => text!);
  assert.ok(examples.length > 0);
  for (const text of examples) {
    assert.ok(parse(text));
    parseConfig(text, { path: "policies.md" });
  }
});

test("the page's own policy does what its formula says", async () => {
  const [, code] = /^```ts\n([^]*?)^```/m.exec(policyReference())!;
  const folder = mkdtempSync(join(tmpdir(), "headgate-docs-"));
  const path = join(folder, "longest-idle.ts");
  writeFileSync(path, code!);
  const { longestIdle } = (await import(pathToFileURL(path).href)) as { longestIdle: ScorerDefinition };
  rmSync(folder, { recursive: true });
  const scores = new Float64Array(3);
  const candidates = [7, 2, 5].map((pickedAt) => ({ pickedAt })) as Endpoint[];
  const nothing = {} as never;
  longestIdle.create({}).score(candidates, nothing, scores, nothing);
  assert.deepEqual([...scores], [1 / 3, 1, 1 / 2]);
});

test("docs/api.md names every header that is read", async () => {
  const { OPERATIONS } = await import("../../src/gateway/openapi/operations.ts");
  const page = readFileSync(new URL("api.md", docs), "utf8");
  const headers = OPERATIONS.flatMap(({ requestHeaders = {} }) => Object.keys(requestHeaders));
  assert.ok(headers.length > 0);
  for (const header of headers) assert.ok(page.includes(header), header);
});
