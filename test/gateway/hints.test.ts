import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Hints } from "../../src/core/events.ts";
import type { KeyOwner } from "../../src/keys/key-book.ts";
import { ownerOf } from "../keys/owner.ts";
import { chatBody, TestGateway } from "./running-gateway.ts";

const LONG = { messages: [{ role: "user", content: "words and more ".repeat(100) }] };
const CALLERS: Record<string, KeyOwner> = {
  "hg-acme": ownerOf("acme/alice"),
  "hg-bulk": ownerOf("bulk/nightly"),
  "hg-day": ownerOf("bulk/daily"),
};

describe("hints", () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await TestGateway.start({
      keys: { find: (secret) => CALLERS[secret] ?? null, isEmpty: false },
      scheduling: {
        placement: { policy: "least-request", prefix: { block_tokens: 32 } },
        queue: {
          tenants: { bulk: { priority: "low" } },
          keys: { "bulk/daily": { priority: "normal" } },
        },
      },
    });
  });
  after(() => gateway.close());

  /** What the core is told of a request; there is no worker, so it is refused soon after. */
  async function hintsOf(
    headers: Record<string, string>,
    body: object = {},
    path = "/v1/chat/completions",
  ): Promise<Hints> {
    const count = gateway.arrived.length;
    const response = await ask(headers, body, path);
    const text = await response.text();
    assert.equal(gateway.arrived.length, count + 1, text);
    return gateway.arrived.at(-1)!.hints;
  }

  function ask(
    headers: Record<string, string>,
    body: object = {},
    path = "/v1/chat/completions",
  ): Promise<Response> {
    const authorization = "Bearer hg-acme";
    return fetch(gateway.url + path, {
      method: "POST",
      headers: { authorization, ...headers },
      body: JSON.stringify({ ...chatBody(), ...body }),
    });
  }

  async function change(patch: object): Promise<void> {
    const url = `${gateway.url}/admin/policy`;
    const response = await fetch(url, { method: "PUT", body: JSON.stringify(patch) });
    assert.equal(response.status, 200, await response.text());
  }

  it("are none where a request says nothing", async () => {
    const nothing = { priority: null, flow: null, session: null, blocks: [], labels: {}, slo: null };
    assert.deepEqual(await hintsOf({}), nothing);
    assert.deepEqual(await hintsOf({}, { prompt: "Hi", max_tokens: 3 }, "/coordinator/infer"), nothing);
  });

  it("name a band, within what the tenant or the key may ask for", async () => {
    assert.equal((await hintsOf({ "x-headgate-priority": "high" })).priority, "high");
    assert.equal((await hintsOf({ authorization: "Bearer hg-bulk" })).priority, "low");
    assert.equal((await hintsOf({ authorization: "Bearer hg-day" })).priority, "normal");
    const lower = { authorization: "Bearer hg-day", "x-headgate-priority": "low" };
    assert.equal((await hintsOf(lower)).priority, "low");
  });

  it("name a session by header, or by the words that clients have for it, within the tenant", async () => {
    assert.equal(
      (await hintsOf({ "x-headgate-session": "s1" }, { prompt_cache_key: "k" })).session,
      "acme/s1",
    );
    assert.equal((await hintsOf({}, { prompt_cache_key: "k", session_id: "i" })).session, "acme/k");
    assert.equal((await hintsOf({}, { session_id: "i" })).session, "acme/i");
    assert.equal((await hintsOf({}, { user: "u", safety_identifier: "s" })).session, null);
    const completion = { prompt: "Once", messages: undefined, prompt_cache_key: "k" };
    assert.equal((await hintsOf({}, completion, "/v1/completions")).session, "acme/k");
  });

  it("ask for labels", async () => {
    const { labels } = await hintsOf({
      "x-headgate-require": "region=eu, capability=tools ,capability=vision",
    });
    assert.deepEqual(labels, { region: "eu", capability: "tools,vision" });
  });

  it("tell what is hoped for; half of it is made whole by the timeouts", async () => {
    const both = await hintsOf({ "x-headgate-ttft-ms": "250", "x-headgate-tpot-ms": "12.5" });
    assert.deepEqual(both.slo, { ttftUs: 250_000, tpotUs: 12_500 });
    assert.deepEqual((await hintsOf({ "x-headgate-ttft-ms": "250" })).slo, {
      ttftUs: 250_000,
      tpotUs: 30_000_000,
    });
    assert.deepEqual((await hintsOf({ "x-headgate-tpot-ms": "50" })).slo, {
      ttftUs: 30_000_000,
      tpotUs: 50_000,
    });
  });

  it("have blocks only while a policy in force goes by them", async () => {
    assert.deepEqual((await hintsOf({}, LONG)).blocks, []);
    await change({ placement: { policy: "prefix-approx" } });
    const { blocks } = await hintsOf({}, LONG);
    assert.equal(blocks.length, Math.floor((15 * 100 + 6) / 128));
    assert.deepEqual((await hintsOf({ authorization: "Bearer hg-bulk" }, LONG)).blocks, blocks);
    await change({
      placement: { policy: "least-request", canary: { profile: "prefix-approx", share: 0.1 } },
    });
    assert.deepEqual((await hintsOf({}, LONG)).blocks, blocks);
    await change({ placement: { canary: "off" } });
    assert.deepEqual((await hintsOf({}, LONG)).blocks, []);
  });

  const long = "x".repeat(257);
  for (const [what, headers, body, param, message] of [
    ["an unknown band", { "x-headgate-priority": "urgent" }, {}, "x-headgate-priority", /high, normal, low/],
    [
      "a band above the tenant's own",
      { authorization: "Bearer hg-bulk", "x-headgate-priority": "high" },
      {},
      "x-headgate-priority",
      /must be one of low\./,
    ],
    ["an endless session", { "x-headgate-session": long }, {}, "x-headgate-session", /256 characters/],
    ["a session that is no text", {}, { prompt_cache_key: 7 }, "prompt_cache_key", /256 characters/],
    ["an empty session", {}, { session_id: "" }, "session_id", /256 characters/],
    ["labels without values", { "x-headgate-require": "region" }, {}, "x-headgate-require", /region=eu/],
    ["labels of odd letters", { "x-headgate-require": "region=e u" }, {}, "x-headgate-require", /region=eu/],
    [
      "too many labels",
      { "x-headgate-require": Array.from({ length: 33 }, (_, i) => `l${i}=v`).join() },
      {},
      "x-headgate-require",
      /at most 32/,
    ],
    ["no time at all", { "x-headgate-ttft-ms": "0" }, {}, "x-headgate-ttft-ms", /above 0/],
    ["a time in words", { "x-headgate-tpot-ms": "soon" }, {}, "x-headgate-tpot-ms", /number of milliseconds/],
  ] as [string, Record<string, string>, object, string, RegExp][]) {
    it(`are refused with ${what}`, async () => {
      const count = gateway.arrived.length;
      const response = await ask(headers, body);
      assert.equal(response.status, 400);
      const { error } = (await response.json()) as {
        error: { code: string; param: string; message: string };
      };
      assert.deepEqual([error.code, error.param], ["invalid_request", param]);
      assert.match(error.message, message);
      assert.equal(gateway.arrived.length, count);
    });
  }
});

describe("flows by header", () => {
  it("have the name that the configured header says", async () => {
    const gateway = await TestGateway.start({
      scheduling: { placement: { policy: "least-request" }, queue: { flow_by: "header", header: "x-team" } },
    });
    const post = (headers: Record<string, string>): Promise<Response> =>
      fetch(`${gateway.url}/v1/chat/completions`, {
        method: "POST",
        headers,
        body: JSON.stringify(chatBody()),
      });
    await post({ "x-team": "blue", "x-headgate-flow": "red" });
    await post({});
    assert.deepEqual(
      gateway.arrived.map(({ hints }) => hints.flow),
      ["blue", null],
    );
    assert.equal((await post({ "x-team": "" })).status, 400);
    await gateway.close();
  });
});
