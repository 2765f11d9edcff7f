import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parse } from "yaml";
import { POLICY_KINDS, PROFILES } from "../../src/config/catalogues.ts";
import { TestGateway } from "../gateway/running-gateway.ts";
import { type CliResult, runCli } from "./run.ts";

describe("headgate policy", () => {
  let gateway: TestGateway;
  let folder: string;
  before(async () => {
    gateway = await TestGateway.start();
    folder = mkdtempSync(join(tmpdir(), "headgate-cli-"));
  });
  after(async () => {
    await gateway.close();
    rmSync(folder, { recursive: true });
  });

  const policy = (...given: string[]): Promise<CliResult> => runCli("policy", ...given, "--url", gateway.url);

  /** Standard output of a command that has to go well. */
  async function told(...given: string[]): Promise<string> {
    const { code, stdout, stderr } = await policy(...given);
    assert.equal(code, 0, stderr);
    return stdout;
  }

  async function inForce(): Promise<Record<string, Record<string, unknown>>> {
    return JSON.parse(await told("show", "--json")) as Record<string, Record<string, unknown>>;
  }

  it("lists every policy there is, without a supervisor", async () => {
    const { code, stdout } = await runCli("policy", "list", "--json");
    assert.equal(code, 0);
    const listed = (JSON.parse(stdout) as { kind: string; name: string }[]).map(
      ({ kind, name }) => `${kind} ${name}`,
    );
    const kinds = Object.entries(POLICY_KINDS).flatMap(([kind, { policies }]) =>
      Object.keys(policies).map((name) => `${kind} ${name}`),
    );
    const profiles = Object.keys(PROFILES).map((name) => `profile ${name}`);
    assert.deepEqual(listed.toSorted(), [...profiles, ...kinds].toSorted());
    const table = (await runCli("policy", "list")).stdout;
    assert.match(table, /^kind +name +what it does\n/);
    assert.match(table, /\nfairness +vtc +\w/);
  });

  it("shows what is in force as YAML", async () => {
    assert.deepEqual(parse(await told("show")), await inForce());
  });

  it("sets one by its name, and says what changed", async () => {
    assert.match(
      await told("set", "placement", "round-robin"),
      /^placement\.policy: least-request → round-robin\n/,
    );
    assert.match(await told("set", "placement", "round-robin"), /^Nothing changed/);
    assert.match(
      await told("set", "fairness", "vtc", "output_weight=3"),
      /^queue\.fairness: fcfs-flows → \{"name":"vtc","output_weight":3\}\n/,
    );
    assert.match(await told("set", "canary", "least-request", "0.1"), /"share":0\.1/);
    assert.match(await told("set", "breaker", "on"), /^tail\.breaker: off → \{"failures":10/);
    assert.match(await told("set", "migration", "on"), /^tail\.migration: false → true\n/);
    const { placement, queue } = await inForce();
    assert.deepEqual(placement!["canary"], { profile: "least-request", share: 0.1 });
    assert.deepEqual(queue!["fairness"], { name: "vtc", output_weight: 3 });
    assert.equal(gateway.policiesSet.length, 5);
    assert.match(await told("set", "canary", "off"), /^placement\.canary: .* → off\n/);
  });

  it("sets a section from a file, and names the place of a mistake", async () => {
    const path = join(folder, "placement.yaml");
    writeFileSync(
      path,
      "policy: mine\nprofiles:\n  mine:\n    scorers:\n      - token-load\n      - {name: sessions-kv, weight: 0.5}\n",
    );
    assert.match(await told("set", "placement", "--file", path), /placement\.policy: round-robin → mine\n/);
    writeFileSync(path, "profiles:\n  mine:\n    scorers:\n      - token-laod\n");
    const { code, stderr } = await policy("set", "placement", "--file", path);
    assert.equal(code, 1);
    assert.ok(
      stderr.includes(`${path}:4:9: placement.profiles.mine.scorers.0: there is no scorer "token-laod"`),
      stderr,
    );
    writeFileSync(path, "profiles: [\n");
    assert.match((await policy("set", "placement", "--file", path)).stderr, /placement\.yaml:\d+:\d+: /);
    assert.match(
      (await policy("set", "placement", "--file", join(folder, "none.yaml"))).stderr,
      /cannot be read/,
    );
  });

  it("compares the profile in use with its canary", async () => {
    assert.match(await told("canary"), /^In use: .*; no canary is set\n\nprofile +requests +completed/);
    await told("set", "canary", "random", "0.5");
    assert.match(await told("canary"), /random for 50\.0 % of requests\n[^]*Too few requests/);
    const report = JSON.parse(await told("canary", "--json")) as { canary: string };
    assert.equal(report.canary, "random");
  });

  for (const [words, message] of [
    [["set", "fairnes", "vtc"], /there is no setting "fairnes"; did you mean fairness\?/],
    [["set", "fairness", "vtk"], /queue\.fairness: there is no fairness policy "vtk"; did you mean vtc\?/],
    [["set", "fairness"], /give the name of a policy first/],
    [["set", "fairness", "vtc", "3"], /"3" is no parameter: write name=value/],
    [["set", "placement", "a", "b"], /give one name/],
    [["set", "canary", "random"], /give a profile and its share/],
    [["set", "canary", "random", "much"], /placement\.canary\.share/],
    [["set", "migration", "maybe"], /say on or off/],
    [["set", "fairness", "--file", "x.yaml"], /x\.yaml: cannot be read/],
  ] as [string[], RegExp][]) {
    it(`refuses ${words.join(" ")}`, async () => {
      const shown = await inForce();
      const { code, stderr } = await policy(...words);
      assert.equal(code, 1);
      assert.match(stderr, message);
      assert.deepEqual(await inForce(), shown);
    });
  }

  it("says when there is no supervisor", async () => {
    const { code, stderr } = await runCli("policy", "show", "--url", "http://127.0.0.1:1");
    assert.equal(code, 1);
    assert.match(stderr, /No supervisor at http:\/\/127\.0\.0\.1:1 /);
  });
});
