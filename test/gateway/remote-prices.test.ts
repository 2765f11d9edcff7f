import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import type { Price } from "../../src/core/budget/money.ts";
import { FakeUpstream } from "../fakes/fake-upstream.ts";
import { chatBody, TestGateway } from "./running-gateway.ts";

/** Nano-USD for a token, as prices are for a million: 100 for one read, 10 from the cache, 1000 for one said, 3000 for one thought. */
const PRICE: Price = {
  input: 100_000_000,
  cachedInput: 10_000_000,
  output: 1_000_000_000,
  reasoning: 3_000_000_000,
  request: 0,
  batch: { input: 50_000_000, cachedInput: 50_000_000, output: 500_000_000 },
  longContext: [
    {
      aboveTokens: 100,
      input: 200_000_000,
      cachedInput: 20_000_000,
      output: 2_000_000_000,
      reasoning: 6_000_000_000,
    },
  ],
};

/** 20 tokens read, 5 of them from the cache, and 8 generated, 6 of them thought. */
const USAGE = {
  prompt_tokens: 20,
  completion_tokens: 8,
  prompt_tokens_details: { cached_tokens: 5 },
  completion_tokens_details: { reasoning_tokens: 6 },
};
const CHOICES = [{ index: 0, message: { content: "x" }, finish_reason: "stop" }];

/** In one piece and as a stream. */
function both(nanoUsd: number): number[] {
  return [nanoUsd, nanoUsd];
}

describe("what a remote API says of its work", () => {
  let gateway: TestGateway;
  let upstream: FakeUpstream;
  before(async () => {
    upstream = await FakeUpstream.start();
    gateway = await TestGateway.start({
      remotes: [{ name: "remote", url: upstream.url, apiKey: null, models: { big: "big" } }],
      core: { defaultPrice: PRICE },
    });
  });
  after(async () => {
    await gateway.close();
    await upstream.close();
  });
  beforeEach(() => gateway.quiet());

  /** Nano-USD that an answer is charged, in one piece and as a stream. */
  async function costs(usage: object, said: object = {}): Promise<number[]> {
    const answer = gateway.post(chatBody({ model: "big", max_tokens: 10 }));
    (await upstream.next()).call.json(200, { choices: CHOICES, usage, ...said });
    const document = (await (await answer).json()) as { usage: { cost_usd: number } };
    await gateway.quiet();
    const inOne = gateway.settled.at(-1)!.charged.nanoUsd;
    assert.equal(document.usage.cost_usd, inOne / 1e9);

    const stream = gateway.post(chatBody({ model: "big", max_tokens: 10, stream: true }));
    const completion = await upstream.next();
    completion.call.openStream();
    completion.chunk({ content: "x" });
    completion.call.event({ choices: [], usage, ...said });
    completion.done();
    await (await stream).text();
    await gateway.quiet();
    return [inOne, gateway.settled.at(-1)!.charged.nanoUsd];
  }

  it("prices tokens that were thought apart from those that were said", async () => {
    assert.deepEqual(await costs(USAGE), both(15 * 100 + 5 * 10 + 2 * 1_000 + 6 * 3_000));
    assert.equal(gateway.settled.at(-1)!.charged.reasoningTokens, 6);
  });

  it("takes no more of them than were generated", async () => {
    const usage = { ...USAGE, completion_tokens_details: { reasoning_tokens: 1_000 } };
    assert.deepEqual(await costs(usage), both(15 * 100 + 5 * 10 + 8 * 3_000));
  });

  for (const tokens of [-1, 3.5, "3", null, {}]) {
    it(`takes ${JSON.stringify(tokens)} of them for none`, async () => {
      const usage = { ...USAGE, completion_tokens_details: { reasoning_tokens: tokens } };
      assert.deepEqual(await costs(usage), both(15 * 100 + 5 * 10 + 8 * 1_000));
    });
  }

  for (const tier of ["flex", "batch"]) {
    it(`has the batch price when it says that its tier was ${tier}`, async () => {
      assert.deepEqual(await costs(USAGE, { service_tier: tier }), both(20 * 50 + 8 * 500));
    });
  }

  for (const tier of ["default", null, 3]) {
    it(`has the usual price when it says that its tier was ${JSON.stringify(tier)}`, async () => {
      assert.deepEqual(await costs(USAGE, { service_tier: tier }), await costs(USAGE));
    });
  }

  it("has the price of long prompts for all of its tokens", async () => {
    const usage = { ...USAGE, prompt_tokens: 101 };
    assert.deepEqual(await costs(usage), both(96 * 200 + 5 * 20 + 2 * 2_000 + 6 * 6_000));
  });
});

const YEAR_9999 = Date.parse("9999-01-01") * 1_000;

function flat(rate: number): Price {
  return { input: rate, cachedInput: rate, output: rate, request: 0 };
}

describe("a price from an instant on", () => {
  let gateway: TestGateway;
  let upstream: FakeUpstream;
  before(async () => {
    upstream = await FakeUpstream.start();
    const models = { changed: "x", unborn: "x" };
    gateway = await TestGateway.start({
      remotes: [{ name: "remote", url: upstream.url, apiKey: null, models }],
      core: {
        defaultPrice: null,
        prices: {
          changed: [
            { fromUs: 0, price: flat(1_000_000) },
            { fromUs: Date.parse("2020-01-01") * 1_000, price: flat(2_000_000) },
            { fromUs: YEAR_9999, price: flat(3_000_000) },
          ],
          unborn: [{ fromUs: YEAR_9999, price: flat(1_000_000) }],
        },
      },
    });
  });
  after(async () => {
    await gateway.close();
    await upstream.close();
  });

  it("is what a request costs that arrives after it", async () => {
    const answer = gateway.post(chatBody({ model: "changed", max_tokens: 10 }));
    (await upstream.next()).call.json(200, { choices: CHOICES, usage: USAGE });
    assert.equal((await answer).status, 200);
    await gateway.quiet();
    assert.equal(gateway.settled.at(-1)!.charged.nanoUsd, 28 * 2);
  });

  it("is none before its time", async () => {
    const refused = await gateway.post(chatBody({ model: "unborn", max_tokens: 10 }));
    assert.equal(refused.status, 403);
    const { error } = (await refused.json()) as { error: { code: string; message: string } };
    assert.equal(error.code, "model_unpriced");
    assert.match(error.message, /"unborn" has no price yet/);
  });
});
