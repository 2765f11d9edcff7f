import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import OpenAI from "openai";
import { FakeWorker } from "../fakes/fake-worker.ts";
import { OPERATIONS } from "../../src/gateway/openapi/operations.ts";
import { ownerOf } from "../keys/owner.ts";
import { TestGateway } from "./running-gateway.ts";

const MESSAGES = [{ role: "user" as const, content: "Hi" }];
/** Nano-USD for a token. */
const PRICE = { input: 1_000_000_000, cachedInput: 1_000_000_000, output: 1_000_000_000, request: 0 };
const SECRETS: Readonly<Record<string, ReturnType<typeof ownerOf>>> = {
  alice: ownerOf("acme/alice"),
  bob: ownerOf("acme/bob"),
  reader: ownerOf("acme/reader", "read"),
};

interface Slice {
  name: string;
  account: string;
  status: string;
  amounts: Record<string, string>;
  remaining: Record<string, string>;
  released?: Record<string, string>;
  expires: string | null;
}

function open(client: OpenAI, body: object): Promise<Slice> {
  return client.post("/accounts", { body });
}

async function refusal(asked: Promise<unknown>): Promise<{ status: number; code: string; message: string }> {
  const error = await asked.then(
    () => assert.fail("it was not refused"),
    (reason: unknown) => reason as InstanceType<typeof OpenAI.APIError>,
  );
  return { status: error.status as number, code: error.code as string, message: error.message };
}

function call(url: string, method: string, body?: object): Promise<Response> {
  return fetch(url, {
    method,
    headers: { authorization: "Bearer alice" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

describe("sub-accounts with a slice", () => {
  let gateway: TestGateway;
  let worker: FakeWorker;
  before(async () => {
    gateway = await TestGateway.start({
      budgets: [{ account: "global/acme", unit: "usd", window: "total", amount: "1000000000" }],
      keys: { find: (secret) => SECRETS[secret] ?? null, isEmpty: false },
      core: { defaultPrice: PRICE, packetTokens: 8 },
    });
    worker = await FakeWorker.start();
    await worker.register(gateway.url);
  });
  after(async () => {
    await gateway.close();
    await worker.close();
  });
  beforeEach(() => gateway.quiet());

  /** As an agent would, with OpenAI's own client. */
  const clientOf = (apiKey: string, account?: string): OpenAI =>
    new OpenAI({
      baseURL: `${gateway.url}/v1`,
      apiKey,
      maxRetries: 0,
      ...(account === undefined ? {} : { defaultHeaders: { "x-headgate-account": account } }),
    });

  async function answered(client: OpenAI, maxTokens = 4): Promise<OpenAI.ChatCompletion> {
    const [answer] = await Promise.all([
      client.chat.completions.create({ model: "tiny", messages: MESSAGES, max_tokens: maxTokens }),
      worker.next().then((generation) => generation.say("a", "b")),
    ]);
    return answer;
  }

  it("are opened by an agent, who spends what they have, and closed, and never used again", async () => {
    const agent = clientOf("alice");
    const slice = await open(agent, {
      name: "agent-1",
      amounts: { usd: "0.5", requests: 2 },
      ttl_seconds: 600,
    });
    const { expires, ...rest } = slice;
    assert.deepEqual(rest, {
      name: "agent-1",
      account: "global/acme/alice/agent-1",
      status: "open",
      amounts: { usd: "0.5", requests: "2" },
      remaining: { usd: "0.5", requests: "2" },
    });
    assert.match(expires!, /^\d{4}-\d\d-\d\dT/);

    const worked = clientOf("alice", "agent-1/task-1");
    const { usage } = await answered(worked);
    const told = (usage as unknown as { budgets: { account: string; unit: string; remaining: string }[] })
      .budgets;
    const left = told.find(({ account, unit }) => account === slice.account && unit === "requests");
    assert.equal(left?.remaining, "1");
    // 5 tokens were read, and 2 written.
    const now: Slice = await agent.get("/accounts/agent-1");
    assert.deepEqual(now.remaining, { usd: "0.499993", requests: "1" });

    await answered(worked);
    const third = await refusal(worked.chat.completions.create({ model: "tiny", messages: MESSAGES }));
    assert.deepEqual([third.status, third.code], [402, "budget_insufficient"]);
    assert.match(third.message, /global\/acme\/alice\/agent-1/);

    const closed: Slice = await agent.delete("/accounts/agent-1");
    assert.deepEqual([closed.status, closed.released], ["closed", { usd: "0.499986", requests: "0" }]);
    assert.equal(((await agent.delete("/accounts/agent-1")) as Slice).status, "closed");
    const late = await refusal(worked.chat.completions.create({ model: "tiny", messages: MESSAGES }));
    assert.deepEqual([late.status, late.code], [410, "account_closed"]);
    const again = await refusal(open(agent, { name: "agent-1", amounts: { usd: 0.1 } }));
    assert.deepEqual([again.status, again.code], [409, "account_exists"]);
  });

  it("hold what they are for above, so that others can't have it", async () => {
    const agent = clientOf("alice");
    await open(agent, { name: "agent-2", amounts: { usd: "0.9" } });
    const others = await refusal(open(clientOf("bob"), { name: "agent-2", amounts: { usd: "0.2" } }));
    assert.deepEqual([others.status, others.code], [429, "budget_exhausted"]);
    assert.match(others.message, /global\/acme /);
    // What has been held needs no room any more.
    await answered(clientOf("alice", "agent-2"));
    await agent.delete("/accounts/agent-2");
    await open(clientOf("bob"), { name: "agent-2", amounts: { usd: "0.2" } });
    await clientOf("bob").delete("/accounts/agent-2");
  });

  it("are opened inside others, and closed with them", async () => {
    const agent = clientOf("alice");
    await open(agent, { name: "agent-3", amounts: { usd: "0.1" }, ttl_seconds: 60 });
    const inside = clientOf("alice", "agent-3");
    const sub = await open(inside, { name: "sub", amounts: { usd: "0.04" }, ttl_seconds: 600 });
    const outer: Slice = await agent.get("/accounts/agent-3");
    assert.deepEqual(outer.remaining, { usd: "0.06" });
    assert.equal(sub.name, "agent-3/sub");
    assert.equal(sub.expires, outer.expires);
    const tooMuch = await refusal(open(inside, { name: "sub-2", amounts: { usd: "0.2" } }));
    assert.deepEqual([tooMuch.status, tooMuch.code], [402, "budget_insufficient"]);
    const closed: Slice = await agent.delete("/accounts/agent-3");
    assert.deepEqual(closed.released, { usd: "0.1" });
    assert.equal(((await agent.get("/accounts/agent-3/sub")) as Slice).status, "closed");
    const late = await refusal(open(inside, { name: "sub-3", amounts: { usd: "0.01" } }));
    assert.deepEqual([late.status, late.code], [410, "account_closed"]);
  });

  it("that are closed while a request runs let it end, and charge it", async () => {
    const agent = clientOf("alice");
    await open(agent, { name: "agent-4", amounts: { usd: "0.1" } });
    const running = clientOf("alice", "agent-4").chat.completions.create({
      model: "tiny",
      messages: MESSAGES,
      max_tokens: 4,
    });
    const generation = await worker.next();
    const { released } = (await agent.delete("/accounts/agent-4")) as Slice;
    assert.ok(Number(released!["usd"]) < 0.1);
    generation.say("a", "b");
    const { usage } = await running;
    assert.equal((usage as unknown as { cost_usd: number }).cost_usd, 0.000007);
  });

  it("that are closed while an answer needs more end it, and the answer says so", async () => {
    const agent = clientOf("alice");
    await open(agent, { name: "agent-5", amounts: { usd: "0.1" } });
    const opened = clientOf("alice", "agent-5").chat.completions.create({
      model: "tiny",
      messages: MESSAGES,
      max_tokens: 100,
      stream: true,
    });
    const generation = await worker.next();
    generation.started();
    const credit = Number(generation.request["credit"]);
    assert.ok(credit < 100);
    generation.token("a");
    const chunks = await opened;
    await agent.delete("/accounts/agent-5");
    for (let tokens = 1; tokens < credit; tokens++) generation.token("a");
    generation.outOfCredit();
    const choices = (await Array.fromAsync(chunks)).flatMap((chunk) => chunk.choices);
    const last = choices.find((choice) => choice.finish_reason !== null);
    assert.equal(last?.finish_reason, "length");
    assert.deepEqual((last as unknown as { headgate: object }).headgate, {
      reason: "account_closed",
      account: "global/acme/alice/agent-5",
    });
  });

  for (const [what, body, param] of [
    ["no name", { amounts: { usd: 1 } }, "name"],
    ["a path for a name", { name: "a/b", amounts: { usd: 1 } }, "name"],
    ["no amounts", { name: "x", amounts: {} }, "amounts"],
    ["an amount of nothing", { name: "x", amounts: { usd: "0" } }, "amounts.usd"],
    ["less than a nano-USD", { name: "x", amounts: { usd: "1e-10" } }, "amounts.usd"],
    ["half a request", { name: "x", amounts: { requests: 0.5 } }, "amounts.requests"],
    ["more than there is in the world", { name: "x", amounts: { usd: 1e9 } }, "amounts.usd"],
    ["a unit of its own", { name: "x", amounts: { euros: 1 } }, "amounts.euros"],
    ["no time at all", { name: "x", amounts: { usd: 1 }, ttl_seconds: 0 }, "ttl_seconds"],
    ["too long a time", { name: "x", amounts: { usd: 0.1 }, ttl_seconds: 1e9 }, "ttl_seconds"],
    ["something else", { name: "x", amounts: { usd: 0.1 }, ttl: 1 }, "ttl"],
  ] as [string, object, string][]) {
    it(`are refused with ${what}, naming ${param}`, async () => {
      const response = await fetch(`${gateway.url}/v1/accounts`, {
        method: "POST",
        headers: { authorization: "Bearer alice" },
        body: JSON.stringify(body),
      });
      const { error } = (await response.json()) as { error: { code: string; param: string } };
      assert.deepEqual([response.status, error.code, error.param], [400, "invalid_request", param]);
    });
  }

  it("are the key's that opened them: another key has its own, and one that only looks has none", async () => {
    await open(clientOf("alice"), { name: "mine", amounts: { usd: "0.01" } });
    const others = await refusal(clientOf("bob").get("/accounts/mine"));
    assert.deepEqual([others.status, others.code], [404, "not_found"]);
    for (const path of ["..%2Falice%2Fmine", "%2Fmine", "", "a/b/c/d/e"]) {
      const response = await fetch(`${gateway.url}/v1/accounts/${path}`, {
        headers: { authorization: "Bearer bob" },
      });
      assert.equal(response.status, 400, path);
      await response.arrayBuffer();
    }
    const looking = await refusal(open(clientOf("reader"), { name: "x", amounts: { usd: 1 } }));
    assert.deepEqual([looking.status, looking.code], [403, "key_not_allowed"]);
    const nobody = await refusal(open(clientOf("nobody"), { name: "x", amounts: { usd: 1 } }));
    assert.equal(nobody.status, 401);
    await clientOf("alice").delete("/accounts/mine");
  });

  it("answer as the description of the interface says", async () => {
    const body = { name: "described", amounts: { usd: 0.01, output_tokens: "100" } };
    const steps = [
      ["POST", "/v1/accounts", "/v1/accounts", body],
      ["GET", "/v1/accounts/described", "/v1/accounts/{account}", undefined],
      ["DELETE", "/v1/accounts/described", "/v1/accounts/{account}", undefined],
      ["DELETE", "/v1/accounts/described", "/v1/accounts/{account}", undefined],
    ] as const;
    for (const [method, path, described, given] of steps) {
      const operation = OPERATIONS.find((one) => one.method === method && one.path === described)!;
      if (given !== undefined) assert.ok(operation.request!.safeParse(given).success);
      const response = await call(gateway.url + path, method, given);
      assert.equal(response.status, operation.status ?? 200);
      const result = operation.answer["application/json"]!.safeParse(await response.json());
      assert.ok(result.success, result.error?.message);
    }
    assert.equal(
      (await call(`${gateway.url}/v1/accounts/described`, "PUT", body)).headers.get("allow"),
      "GET, HEAD, DELETE",
    );
  });
});
