import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { SchedulingSettings } from "../../src/config/scheduling-schema.ts";
import type { PolicyChange } from "../../src/gateway/policy-desk.ts";
import type { CanaryReport } from "../../src/observability/canary.ts";
import type { KeyOwner } from "../../src/keys/key-book.ts";
import { OPERATIONS } from "../../src/gateway/openapi/operations.ts";
import { FakeWorker } from "../fakes/fake-worker.ts";
import { ownerOf } from "../keys/owner.ts";
import { chatBody, TestGateway } from "./running-gateway.ts";

type Headers = Record<string, string>;

function put(gateway: TestGateway, patch: unknown, headers: Headers = {}): Promise<Response> {
  const body = typeof patch === "string" ? patch : JSON.stringify(patch);
  return fetch(`${gateway.url}/admin/policy`, { method: "PUT", headers, body });
}

async function changed(gateway: TestGateway, patch: object): Promise<PolicyChange> {
  const response = await put(gateway, patch);
  const text = await response.text();
  assert.equal(response.status, 200, text);
  const document = JSON.parse(text) as PolicyChange;
  const described = OPERATIONS.find(({ path, method }) => path === "/admin/policy" && method === "PUT")!;
  assert.ok(described.request!.safeParse(patch).success);
  assert.ok(described.answer["application/json"]!.safeParse(document).success, text);
  return document;
}

async function inForce(gateway: TestGateway): Promise<SchedulingSettings> {
  const response = await gateway.get("/admin/policy");
  assert.equal(response.status, 200);
  return (await response.json()) as SchedulingSettings;
}

describe("policies while requests run", () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await TestGateway.start();
  });
  after(() => gateway.close());

  it("are shown as they would stand in the configuration, and can be given back", async () => {
    const shown = await inForce(gateway);
    assert.deepEqual(Object.keys(shown), ["placement", "queue", "admission", "tail"]);
    assert.equal(shown.placement.policy, "least-request");
    assert.equal(shown.tail.breaker, "off");
    const again = await changed(gateway, shown);
    assert.deepEqual(again, { changed: [], in_force: shown });
    assert.deepEqual(gateway.policiesSet, []);
  });

  it("are replaced in part: the core hears of the sections that changed, and of nothing else", async () => {
    const answer = await changed(gateway, {
      placement: { policy: "round-robin" },
      queue: { tenants: { acme: { weight: 2 } } },
      tail: { migration: false },
    });
    assert.deepEqual(answer.changed, [
      { setting: "placement.policy", before: "least-request", after: "round-robin" },
      { setting: "queue.tenants.acme", after: { weight: 2 } },
    ]);
    const [event, ...more] = gateway.policiesSet;
    assert.deepEqual(more, []);
    assert.deepEqual(Object.keys(event!.scheduling), ["placement", "queueing"]);
    assert.equal(event!.scheduling.placement!.profile, "round-robin");
    assert.deepEqual(event!.scheduling.queueing!.weights, { acme: 2 });
    assert.deepEqual(await inForce(gateway), answer.in_force);
    const back = await changed(gateway, { queue: { tenants: { acme: null } } });
    assert.deepEqual(back.in_force.queue.tenants, {});
    assert.equal(back.in_force.placement.policy, "round-robin");
  });

  for (const [what, patch, param, message] of [
    [
      "a name that does not exist",
      { placement: { policy: "rund-robin" } },
      "placement.policy",
      /did you mean round-robin\?/,
    ],
    [
      "a parameter out of its range",
      { queue: { fairness: { name: "vtc", input_weight: -1 } } },
      "queue.fairness.input_weight",
      /must be from 0/,
    ],
    [
      "a policy that gets no signal",
      { placement: { policy: "prefix-precise" } },
      "placement.policy",
      /embedded workers/,
    ],
    ["a section that does not exist", { placment: {} }, "placment", /no such setting/],
    ["a setting that does not exist", { tail: { hedges: "off" } }, "tail.hedges", /no such setting/],
    ["a section that is none", { tail: 3 }, "tail", /expected object/],
    [
      "what is laid out at the start",
      { placement: { prefix: { block_tokens: 16 } } },
      "placement.prefix.block_tokens",
      /at start only/,
    ],
    [
      "a share of more than all",
      { placement: { canary: { profile: "random", share: 1.5 } } },
      "placement.canary.share",
      /1/,
    ],
  ] as [string, object, string, RegExp][]) {
    it(`are left alone by ${what}`, async () => {
      const shown = await inForce(gateway);
      const events = gateway.policiesSet.length;
      const response = await put(gateway, patch);
      assert.equal(response.status, 400);
      const { error } = (await response.json()) as {
        error: { code: string; param: string; message: string };
      };
      assert.deepEqual([error.code, error.param], ["invalid_request", param]);
      assert.match(error.message, message);
      assert.deepEqual(await inForce(gateway), shown);
      assert.equal(gateway.policiesSet.length, events);
    });
  }

  it("all mistakes are told at once", async () => {
    const response = await put(gateway, { placement: { policy: "x" }, queue: { ordering: "y" } });
    const { error } = (await response.json()) as { error: { message: string } };
    assert.match(
      error.message,
      /placement\.policy: .*\n?.*queue\.ordering: |queue\.ordering: [^]*placement\.policy: /,
    );
  });

  it("take JSON only, by PUT only", async () => {
    assert.equal((await put(gateway, "policy: x")).status, 400);
    assert.equal((await put(gateway, "[]")).status, 400);
    const posted = await fetch(`${gateway.url}/admin/policy`, { method: "POST", body: "{}" });
    assert.equal(posted.status, 405);
    assert.equal(posted.headers.get("allow"), "GET, HEAD, PUT");
    assert.equal((await fetch(`${gateway.url}/admin/policy`, { method: "HEAD" })).status, 200);
  });

  it("are nothing that a page, or whoever comes through a proxy, may change", async () => {
    const patch = { placement: { policy: "random" } };
    for (const headers of [
      { origin: "https://elsewhere.example" },
      { "x-forwarded-for": "10.0.0.9" },
    ] as Headers[]) {
      const response = await put(gateway, patch, headers);
      assert.equal(response.status, 403);
      const { error } = (await response.json()) as { error: { code: string } };
      assert.equal(error.code, "origin_not_allowed");
    }
    assert.notEqual((await inForce(gateway)).placement.policy, "random");
  });
});

describe("policies where everybody needs a key", () => {
  it("are shown to whoever has one, and changed with an admin key of the root on this machine", async () => {
    const owners: Record<string, KeyOwner> = {
      "hg-good": ownerOf("ops", "admin"),
      "hg-spend": ownerOf("acme/alice"),
      "hg-read": ownerOf("auditor", "read"),
      "hg-acme": ownerOf("acme/lead", "admin"),
    };
    const keys = { find: (secret: string) => owners[secret] ?? null, isEmpty: false };
    const gateway = await TestGateway.start({ keys, keyless: "never" });
    const good = { authorization: "Bearer hg-good" };
    const patch = { placement: { policy: "random" } };
    assert.equal((await gateway.get("/admin/policy")).status, 401);
    assert.equal((await put(gateway, patch)).status, 401);
    assert.equal((await put(gateway, patch, { authorization: "Bearer hg-bad" })).status, 401);
    assert.equal((await put(gateway, patch, { ...good, via: "1.1 proxy" })).status, 403);
    for (const other of ["hg-spend", "hg-read", "hg-acme"]) {
      const headers = { authorization: `Bearer ${other}` };
      assert.equal((await fetch(`${gateway.url}/admin/policy`, { headers })).status, 200);
      const refused = await put(gateway, patch, headers);
      assert.equal(refused.status, 403, other);
      assert.equal(((await refused.json()) as { error: { code: string } }).error.code, "key_not_allowed");
    }
    assert.deepEqual(gateway.policiesSet, []);
    const shown = await fetch(`${gateway.url}/admin/policy`, { headers: { ...good, via: "1.1 proxy" } });
    assert.equal(shown.status, 200);
    assert.equal((await put(gateway, patch, good)).status, 200);
    assert.equal(gateway.policiesSet.length, 1);
    await gateway.close();
  });
});

describe("a canary", () => {
  it("takes its share of requests, and both sides are counted until the profiles change", async () => {
    const gateway = await TestGateway.start();
    const worker = await FakeWorker.start();
    await worker.register(gateway.url);
    await changed(gateway, { placement: { canary: { profile: "round-robin", share: 0.5 } } });
    const requests = 40;
    for (let i = 0; i < requests; i++) {
      const answer = gateway.post(chatBody());
      (await worker.next()).say("Hi");
      assert.equal((await answer).status, 200);
    }
    await gateway.settledCount(requests);
    const report = async (): Promise<CanaryReport> => {
      const document: unknown = await (await gateway.get("/admin/canary")).json();
      const described = OPERATIONS.find(({ path }) => path === "/admin/canary")!;
      assert.ok(described.answer["application/json"]!.safeParse(document).success, JSON.stringify(document));
      return document as CanaryReport;
    };
    const { profile, canary, share, profiles, difference } = await report();
    assert.deepEqual([profile, canary, share], ["least-request", "round-robin", 0.5]);
    const byProfile = Object.fromEntries(profiles.map((one) => [one.profile, one]));
    assert.deepEqual(Object.keys(byProfile).toSorted(), ["least-request", "round-robin"]);
    for (const { requests: count, completed, cost_usd, ttft_ms } of profiles) {
      assert.ok(count > 0 && completed === count && cost_usd > 0);
      assert.equal(ttft_ms!.samples, count);
    }
    assert.equal(
      profiles.reduce((sum, one) => sum + one.requests, 0),
      requests,
    );
    const enough = profiles.every((one) => one.requests >= 8);
    assert.equal(difference !== null, enough);
    await changed(gateway, { placement: { canary: "off" } });
    assert.deepEqual(await report(), {
      profile: "least-request",
      canary: null,
      share: 0,
      profiles: [],
      difference: null,
    });
    await gateway.close();
    await worker.close();
  });
});
