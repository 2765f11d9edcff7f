import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import OpenAI from "openai";
import type { LimitRow } from "../../src/core/budget/limits.ts";
import { FakeUpstream } from "../fakes/fake-upstream.ts";
import { FakeWorker } from "../fakes/fake-worker.ts";
import { ownerOf } from "../keys/owner.ts";
import { chatBody, TestGateway } from "./running-gateway.ts";

const MESSAGES = [{ role: "user" as const, content: "Hi" }];
/** Nano-USD for a token, as prices are for a million: 1000 for one read, half from the cache, 2000 for one written. */
const PRICE = { input: 1_000_000_000, cachedInput: 500_000_000, output: 2_000_000_000, request: 5_000 };
/** 3 read, 2 from the cache, 2 written, and the request itself. */
const COST_USD = "0.000013";

function limit(unit: LimitRow["unit"], amount: number, window: LimitRow["window"] = "total"): LimitRow {
  return { account: "global/local", unit, window, amount: String(amount) };
}

async function start(budgets: LimitRow[], core: object = {}): Promise<[TestGateway, FakeWorker]> {
  const gateway = await TestGateway.start({ budgets, core: { defaultPrice: PRICE, ...core } });
  const worker = await FakeWorker.start();
  await worker.register(gateway.url);
  return [gateway, worker];
}

describe("what a request costs", () => {
  let gateway: TestGateway;
  let worker: FakeWorker;
  before(async () => {
    [gateway, worker] = await start([]);
  });
  after(async () => {
    await gateway.close();
    await worker.close();
  });

  it("is told in a header and in the usage", async () => {
    const answer = gateway.post(chatBody());
    (await worker.next()).say("a", "b");
    const response = await answer;
    assert.equal(response.headers.get("x-headgate-cost-usd"), COST_USD);
    assert.equal(response.headers.get("x-headgate-remaining-usd"), null);
    const { usage } = (await response.json()) as { usage: Record<string, unknown> };
    assert.equal(usage["cost_usd"], Number(COST_USD));
    assert.ok(!("budgets" in usage));
  });

  it("is logged and counted", async () => {
    await gateway.quiet();
    assert.equal(gateway.settled.at(-1)?.charged.nanoUsd, 13_000);
    const metrics = await (await gateway.get("/metrics")).text();
    assert.match(metrics, /headgate_cost_usd_total\{model="tiny"\} 0\.000013/);
    assert.match(metrics, /headgate_tenant_cost_usd_total\{tenant="local"\} 0\.000013/);
    assert.match(metrics, /headgate_ledger_commit_seconds_count [1-9]/);
    assert.match(metrics, /headgate_holds_open 0/);
  });

  it("comes with the usage of a stream that asks for it", async () => {
    const request = { model: "tiny", messages: MESSAGES, stream: true as const };
    const [stream] = await Promise.all([
      gateway.client.chat.completions.create({ ...request, stream_options: { include_usage: true } }),
      worker.next().then((generation) => generation.say("a", "b")),
    ]);
    const usage = (await Array.fromAsync(stream)).at(-1)?.usage as { cost_usd?: number } | undefined;
    assert.equal(usage?.cost_usd, Number(COST_USD));
  });
});

describe("what limits leave", () => {
  let gateway: TestGateway;
  let worker: FakeWorker;
  before(async () => {
    [gateway, worker] = await start([
      limit("usd", 1_000_000_000, "day"),
      { ...limit("usd", 900_000_000), account: "global" },
      limit("tokens", 10_000),
      limit("requests", 100),
    ]);
  });
  after(async () => {
    await gateway.close();
    await worker.close();
  });
  beforeEach(() => gateway.quiet());

  it("is told once all is posted, the least in each unit in a header and each limit in the usage", async () => {
    const answer = gateway.post(chatBody());
    (await worker.next()).say("a", "b");
    const response = await answer;
    const header = (name: string): string | null => response.headers.get(`x-headgate-remaining-${name}`);
    assert.deepEqual([header("usd"), header("tokens"), header("requests")], ["0.899987", "9993", "99"]);
    const { usage } = (await response.json()) as {
      usage: { budgets: { account: string; unit: string; resets_at: string | null }[] };
    };
    const dayly = usage.budgets.find(({ resets_at }) => resets_at !== null);
    assert.match(dayly!.resets_at!, /^\d{4}-\d\d-\d\dT00:00:00\.000Z$/);
    assert.deepEqual(dayly, {
      account: "global/local",
      unit: "usd",
      window: "day",
      limit: "1",
      remaining: "0.999987",
      resets_at: dayly!.resets_at,
    });
    assert.equal(usage.budgets.length, 4);
  });

  it("is told in the head of a stream, as it was before the first token", async () => {
    const answer = gateway.post(chatBody({ stream: true, stream_options: { include_usage: true } }));
    (await worker.next()).say("a", "b");
    const response = await answer;
    assert.ok(Number(response.headers.get("x-headgate-remaining-tokens")) < 9_993);
    assert.equal(response.headers.get("x-headgate-cost-usd"), null);
    assert.match(await response.text(), /"budgets":\[\{"account":"global"/);
  });
});

describe("whoever pays", () => {
  it("is named by the key of the call, in accounts, log and metrics", async () => {
    const owner = ownerOf("acme/bot");
    const gateway = await TestGateway.start({
      keys: { find: (secret) => (secret === "sk-bot" ? owner : null), isEmpty: false },
      budgets: [{ ...limit("requests", 9), account: "global/acme/bot" }],
    });
    const worker = await FakeWorker.start();
    await worker.register(gateway.url);
    const ask = (apiKey: string): Promise<OpenAI.ChatCompletion> => {
      const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey, maxRetries: 0 });
      return client.chat.completions.create({ model: "tiny", messages: MESSAGES });
    };
    await assert.rejects(ask("sk-stolen"), { status: 401, code: "invalid_api_key" });
    const answer = ask("sk-bot");
    (await worker.next()).say("a");
    const usage = (await answer).usage as unknown as { budgets: { account: string; remaining: string }[] };
    assert.deepEqual(
      usage.budgets.map(({ account, remaining }) => [account, remaining]),
      [["global/acme/bot", "8"]],
    );
    const { tenant, key } = gateway.settled.at(-1)!;
    assert.deepEqual({ tenant, key }, { tenant: "acme", key: "bot" });
    const metrics = await (await gateway.get("/metrics")).text();
    assert.match(metrics, /headgate_tenant_cost_usd_total\{tenant="acme"\}/);
    assert.match(metrics, /headgate_refusals_total\{code="invalid_api_key"\} 1/);
    await gateway.close();
    await worker.close();
  });
});

describe("a budget that is too small", () => {
  it("is refused with what is needed and what is left", async () => {
    const [gateway, worker] = await start([limit("tokens", 30)]);
    const response = await gateway.post(
      chatBody({ max_tokens: 60, messages: [{ role: "user", content: "x".repeat(90) }] }),
    );
    assert.equal(response.status, 402);
    const { error } = (await response.json()) as { error: Record<string, unknown> };
    assert.equal(error["code"], "budget_insufficient");
    assert.equal(error["account"], "global/local");
    assert.deepEqual(error["limit"], { unit: "tokens", window: "total", amount: "30" });
    assert.ok(Number(error["needed"]) > 30);
    assert.equal(error["remaining"], "30");
    assert.equal(worker.server.unread, 0);
    await gateway.close();
    await worker.close();
  });

  it("grants credit packet by packet, and ends the answer at the token where nothing is left", async () => {
    // 146 for the longest that the prompt may be, and 20 for the answer.
    const [gateway, worker] = await start([limit("tokens", 166)], { packetTokens: 8 });
    const opened = gateway.client.chat.completions.create({
      model: "tiny",
      messages: MESSAGES,
      max_tokens: 40,
      n: 1,
      stream: true,
    });
    const generation = await worker.next();
    let credit = Number(generation.request["credit"]);
    assert.ok(credit <= 8);
    generation.started(146, 0);
    let tokens = 0;
    const read = (async () => {
      const chunks = await Array.fromAsync(await opened);
      return chunks.flatMap(({ choices }) => choices);
    })();
    while (tokens < 20) {
      while (tokens < credit) {
        generation.token("x");
        tokens += 1;
      }
      if (tokens === 20) break;
      generation.outOfCredit();
      // A grant that is lost on its way is sent once more.
      if (credit === 8) (await worker.server.next()).die();
      const grant = await worker.nextCredit();
      assert.equal(grant.id, generation.request["id"]);
      assert.ok(Number(grant.credit) > credit);
      credit = Number(grant.credit);
    }
    generation.outOfCredit();
    const choices = await read;
    assert.equal(choices.map(({ delta }) => delta.content ?? "").join(""), "x".repeat(20));
    const last = choices.at(-1) as unknown as { finish_reason: string; headgate: Record<string, unknown> };
    assert.equal(last.finish_reason, "length");
    assert.equal(last.headgate["reason"], "budget_exhausted");
    assert.equal(last.headgate["account"], "global/local");
    assert.equal(await generation.call.closed, false);
    await gateway.close();
    await worker.close();
  });

  it("can be waited for", async () => {
    const [gateway, worker] = await start([limit("requests", 1, "day")]);
    for (const wait of ["-1", "soon", "61", "1e3"]) {
      const response = await fetch(`${gateway.url}/v1/chat/completions`, {
        method: "POST",
        body: JSON.stringify(chatBody()),
        headers: { "x-headgate-budget-wait": wait },
      });
      assert.equal(response.status, 400, wait);
      const { error } = (await response.json()) as { error: { param: string } };
      assert.equal(error.param, "x-headgate-budget-wait");
    }
    const first = gateway.client.chat.completions.create({ model: "tiny", messages: MESSAGES });
    const generation = await worker.next();
    await assert.rejects(
      gateway.client.chat.completions.create({ model: "tiny", messages: MESSAGES }),
      (error) => error instanceof OpenAI.RateLimitError && error.code === "budget_exhausted",
    );
    const leave = new AbortController();
    const settled = gateway.settled.length;
    const second = gateway.client.chat.completions.create(
      { model: "tiny", messages: MESSAGES },
      { headers: { "x-headgate-budget-wait": "60" }, signal: leave.signal },
    );
    while (gateway.shell.open().exchanges < 2) await gateway.get("/healthz");
    assert.equal(gateway.settled.length, settled, "it waits");
    leave.abort();
    await assert.rejects(second);
    generation.say("a");
    await first;
    await gateway.close();
    await worker.close();
  });
});

describe("the answer of a remote API", () => {
  let gateway: TestGateway;
  let upstream: FakeUpstream;
  before(async () => {
    upstream = await FakeUpstream.start();
    gateway = await TestGateway.start({
      core: { defaultPrice: PRICE },
      budgets: [limit("requests", 100)],
      remotes: [{ name: "remote", url: upstream.url, apiKey: null, models: { big: "big" } }],
    });
  });
  after(async () => {
    await gateway.close();
    await upstream.close();
  });

  it("is left as it is, but for the cost in its usage", async () => {
    const answer = gateway.post(chatBody({ model: "big", max_tokens: 5 }));
    const { call } = await upstream.next();
    const text = `{ "id": 1e400,  "choices":[{"message":{"content":"\\u00e9"}, "finish_reason":"stop"}],\n "usage" : {"prompt_tokens":7,"completion_tokens":3,"odd":12345678901234567890 } }`;
    call.response.writeHead(200, { "content-type": "application/json" });
    call.write(text);
    call.end();
    const response = await answer;
    assert.equal(response.headers.get("x-headgate-cost-usd"), "0.000018");
    assert.equal(response.headers.get("x-headgate-remaining-requests"), "99");
    const body = await response.text();
    const cut = text.lastIndexOf("}", text.lastIndexOf("}") - 1);
    assert.ok(body.startsWith(text.slice(0, cut)));
    assert.ok(body.endsWith(text.slice(cut)));
    assert.match(body.slice(cut), /^,"cost_usd":0\.000018,"budgets":\[\{"account":"global\/local",/);
  });

  it("has the cost in the chunk with the usage, whether the API sends one or not", async () => {
    const request = { model: "big", messages: MESSAGES, stream: true as const };
    for (const sendsUsage of [true, false]) {
      const opened = gateway.client.chat.completions.create({
        ...request,
        stream_options: { include_usage: true },
      });
      const completion = await upstream.next();
      completion.call.openStream();
      completion.chunk({ content: "Hi" }, "stop");
      if (sendsUsage) completion.usage(7, 1);
      completion.done();
      const chunks = await Array.fromAsync(await opened);
      const usages = chunks.flatMap(({ usage }) => usage ?? []) as { cost_usd?: number }[];
      assert.equal(usages.length, 1);
      assert.ok(usages[0]!.cost_usd! > 0);
    }
  });

  it("names the limit that made it shorter beside its usage", async () => {
    const [account, window] = ["global/local", "total"] as const;
    const short = await TestGateway.start({
      core: { defaultPrice: PRICE, packetTokens: 8 },
      budgets: [limit("output_tokens", 10)],
      remotes: [{ name: "remote", url: upstream.url, apiKey: null, models: { big: "big" } }],
    });
    const answer = short.post(chatBody({ model: "big", max_tokens: 50 }));
    const completion = await upstream.next();
    assert.equal(completion.call.body["max_tokens"], 10);
    completion.document("cut", "length");
    const { choices, usage } = (await (await answer).json()) as {
      choices: { finish_reason: string }[];
      usage: { headgate: object };
    };
    assert.equal(choices[0]?.finish_reason, "length");
    assert.deepEqual(usage.headgate, {
      reason: "budget_exhausted",
      account,
      unit: "output_tokens",
      window,
      limit: "10",
      remaining: "10",
    });
    await short.close();
  });

  it("is shortened by a threshold of a limit, and says so", async () => {
    const thresholds = [{ percent: 50, action: "shorten" as const, priority: null, maxTokens: 3 }];
    const short = await TestGateway.start({
      core: { defaultPrice: PRICE },
      budgets: [{ ...limit("requests", 2), thresholds }],
      remotes: [{ name: "remote", url: upstream.url, apiKey: null, models: { big: "big" } }],
    });
    for (const [most, headgate] of [
      [50, undefined],
      [3, { reason: "shortened", account: "global/local", unit: "requests", window: "total" }],
    ] as const) {
      const answer = short.post(chatBody({ model: "big", max_tokens: 50 }));
      const completion = await upstream.next();
      assert.equal(completion.call.body["max_tokens"], most);
      completion.document("cut", "length");
      const { usage } = (await (await answer).json()) as { usage: { headgate?: object } };
      const told = headgate && { ...headgate, limit: "2", remaining: "1", max_tokens: 3 };
      assert.deepEqual(usage.headgate, told);
    }
    await short.close();
  });
});
