import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { ChosenLogprob, TokenLogprob } from "../../src/worker/engine.ts";
import { loadLlamaEngine } from "../../src/worker/llama/engine.ts";
import { resolveSamplings } from "../../src/worker/wire.ts";
import type { Answer, WorkerClient } from "./harness.ts";
import { generateBody, GREEDY, MODEL, SILENT, startWorker } from "./harness.ts";

const LONG = { max_tokens: 40, ignore_eos: true };

function logprobsOf(answer: Answer): ChosenLogprob[] {
  return answer.events.flatMap((event) => (event.type === "tokens" ? (event.logprobs ?? []) : []));
}

/** A character whose tokens did not all come is shown by one side only. */
function readable(text: string): string {
  return text.replaceAll("\uFFFD", "");
}

void describe("logprobs", () => {
  let worker: WorkerClient;
  before(async () => {
    worker = await startWorker();
  });
  after(() => worker.close());

  void test("come with every token, and change none", async () => {
    for (const sampling of [GREEDY, { temperature: 1.2, seed: 5 }, { temperature: 1, top_k: 30, seed: 6 }]) {
      const plain = await worker.generate({ ...LONG, sampling });
      assert.deepEqual(logprobsOf(plain), []);
      const told = await worker.generate({ ...LONG, sampling, logprobs: 3 });
      assert.deepEqual(told.ids, plain.ids);
      assert.deepEqual(
        logprobsOf(told).map(({ id }) => id),
        plain.ids,
      );
      for (const { top } of logprobsOf(told)) assert.ok(top.length <= 3);
    }
  });

  void test("at temperature 0 the chosen token is the likeliest, and the rest follow in order", async () => {
    const told = logprobsOf(await worker.generate({ ...LONG, logprobs: 20 }));
    for (const { id, logprob, top } of told) {
      assert.equal(top.length, 20);
      assert.deepEqual([top[0]?.id, top[0]?.logprob], [id, logprob]);
      const values = top.map((entry) => entry.logprob);
      assert.deepEqual(
        values,
        values.toSorted((a, b) => b - a),
      );
      const sum = values.reduce((total, value) => total + Math.exp(value), 0);
      assert.ok(sum <= 1.0001, String(sum));
    }
  });

  void test("of the whole vocabulary sum up to 1", async () => {
    const engine = await loadLlamaEngine({
      models: [MODEL],
      engine: { threads: 1 },
      log: SILENT,
      onProgress: () => {},
    });
    const [model] = engine.models;
    assert.ok(model);
    const { vocabulary } = model.description;
    for (const temperature of [0, 1]) {
      const [sampling] = resolveSamplings({ given: { temperature, seed: 4 }, count: 1 });
      const sources = model.open({
        prompt: model.tokenize("What is the capital of France?"),
        samplings: [sampling!],
        session: null,
        ignoreEnd: true,
        logprobs: vocabulary,
        grammar: null,
        generated: [],
        stateSource: null,
      });
      const source = sources?.[0];
      assert.ok(source);
      for (let token = 0; token < 10; token++) {
        await source.next();
        const top: TokenLogprob[] = source.logprob?.top ?? [];
        assert.equal(top.length, vocabulary);
        const sum = top.reduce((total, { logprob }) => total + Math.exp(logprob), 0);
        assert.ok(Math.abs(sum - 1) < 1e-3, String(sum));
      }
      await source.close();
    }
    await engine.close();
  });

  void test("0 tells of the chosen token alone", async () => {
    const told = logprobsOf(await worker.generate({ ...LONG, logprobs: 0 }));
    assert.equal(told.length, 40);
    for (const { top } of told) assert.deepEqual(top, []);
  });

  void test("have the bytes of the answer, characters of several tokens included", async () => {
    const answer = await worker.generate({
      ...LONG,
      max_tokens: 200,
      logprobs: 0,
      sampling: { temperature: 2, seed: 9 },
    });
    const spoken = logprobsOf(answer).filter(({ token }) => !token.startsWith("<|"));
    const bytes = Buffer.from(spoken.flatMap((entry) => entry.bytes));
    assert.equal(readable(bytes.toString("utf8")), readable(answer.text));
  });

  void test("more than 20 are refused", async () => {
    const answer = await worker.call("POST", "/worker/generate", generateBody({ logprobs: 21 }));
    assert.deepEqual([answer.status, answer.body.error.param], [400, "logprobs"]);
  });
});

void describe("logit_bias", () => {
  let worker: WorkerClient;
  before(async () => {
    worker = await startWorker();
  });
  after(() => worker.close());

  void test("bans a token, and forces one", async () => {
    const plain = await worker.generate(LONG);
    const [banned] = plain.ids;
    const without = await worker.generate({ ...LONG, logit_bias: { [banned!]: -100 } });
    assert.ok(!without.ids.includes(banned!));
    const forced = await worker.generate({ ...LONG, logit_bias: { 300: 100 } });
    assert.deepEqual(new Set(forced.ids), new Set([300]));
  });

  void test("adds to the logits, neither more nor less", async () => {
    const body = { max_tokens: 1, ignore_eos: true, logprobs: 20 };
    const [plain] = logprobsOf(await worker.generate(body));
    const [first, second] = plain!.top;
    const logit_bias = { [second!.id]: 2 };
    const [raised] = logprobsOf(await worker.generate({ ...body, logit_bias }));
    const asItIs = second!.logprob - first!.logprob;
    const told = new Map(raised!.top.map(({ id, logprob }) => [id, logprob]));
    const now = told.get(second!.id)! - told.get(first!.id)!;
    assert.ok(Math.abs(now - asItIs - 2) < 1e-3, `${asItIs} and ${now}`);
  });

  void test("a ban of the tokens that end an answer makes it go on", async () => {
    const short = await worker.generate({ max_tokens: 60, logprobs: 0 });
    assert.equal(short.done?.finish_reason, "stop");
    // The end of a turn in the demo models.
    const long = await worker.generate({ max_tokens: 60, logit_bias: { 1: -100 } });
    assert.equal(long.done?.finish_reason, "length");
  });

  void test("of no token, or beyond 100, is refused", async () => {
    for (const logit_bias of [{ 1_000_000: 1 }, { 5: 101 }, { five: 1 }]) {
      const answer = await worker.call("POST", "/worker/generate", generateBody({ logit_bias }));
      assert.equal(answer.status, 400);
      assert.match(answer.body.error.param, /^logit_bias/);
    }
  });
});
