import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import OpenAI from "openai";
import type { WorkerClient } from "./harness.ts";
import { eventually, startWorker } from "./harness.ts";

const ASKED = {
  model: "tiny",
  messages: [{ role: "user" as const, content: "What is the capital of France?" }],
  temperature: 0,
  max_tokens: 24,
};

void describe("OpenAI dialect of the worker", () => {
  let worker: WorkerClient;
  let client: OpenAI;
  before(async () => {
    worker = await startWorker();
    client = new OpenAI({ baseURL: `${worker.worker.url}/v1`, apiKey: "none", maxRetries: 0 });
  });
  after(() => worker.close());

  void test("lists its models", async () => {
    const { data } = await client.models.list();
    assert.deepEqual(
      data.map((model) => model.id),
      ["tiny"],
    );
  });

  void test("streamed and not, it is the same answer, with the same usage", async () => {
    const whole = await client.chat.completions.create(ASKED);
    const stream = await client.chat.completions.create({
      ...ASKED,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    let finishReason: string | null = null;
    let usage: OpenAI.CompletionUsage | null = null;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      finishReason = chunk.choices[0]?.finish_reason ?? finishReason;
      usage = chunk.usage ?? usage;
    }
    assert.equal(text, whole.choices[0]?.message.content);
    assert.equal(finishReason, whole.choices[0]?.finish_reason);
    assert.equal(usage?.completion_tokens, whole.usage?.completion_tokens);
    assert.equal(usage?.total_tokens, whole.usage?.total_tokens);
  });

  void test("is the same answer as in Headgate's own dialect", async () => {
    const own = await worker.generate({ max_tokens: 24 });
    const whole = await client.chat.completions.create(ASKED);
    assert.equal(whole.choices[0]?.message.content, own.text);
  });

  void test("joins parts of text", async () => {
    const whole = await client.chat.completions.create(ASKED);
    const content = [
      { type: "text" as const, text: "What is the " },
      { type: "text" as const, text: "capital of France?" },
    ];
    const parts = await client.chat.completions.create({ ...ASKED, messages: [{ role: "user", content }] });
    assert.equal(parts.choices[0]?.message.content, whole.choices[0]?.message.content);
  });

  void test("takes what does not matter, refuses what would change the meaning", async () => {
    const neutral = { n: 1, tools: [], response_format: { type: "text" }, user: "u", logit_bias: {} };
    const taken = await worker.call("POST", "/v1/chat/completions", { ...ASKED, ...neutral });
    assert.equal(taken.status, 200);
    const wrong = {
      n: 2,
      logprobs: true,
      tools: [{ type: "function" }],
      response_format: { type: "json_object" },
      messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "x" } }] }],
    };
    for (const [param, value] of Object.entries(wrong)) {
      const { status, body } = await worker.call("POST", "/v1/chat/completions", {
        ...ASKED,
        [param]: value,
      });
      assert.deepEqual([status, body.error.type], [400, "invalid_request_error"], param);
      assert.ok((body.error.param as string).startsWith(param));
    }
  });

  void test("errors have OpenAI's form", async () => {
    await assert.rejects(client.chat.completions.create({ ...ASKED, model: "unheard-of" }), (error) => {
      assert.ok(error instanceof OpenAI.NotFoundError);
      assert.equal(error.code, "model_not_found");
      return true;
    });
    const broken = await worker.call("POST", "/v1/chat/completions", "{");
    assert.deepEqual([broken.status, broken.body.error.code], [400, "invalid_request"]);
  });

  void test("a client that leaves takes its generation with it, streamed or not", async () => {
    for (const stream of [true, false]) {
      const abort = new AbortController();
      const asked = { ...ASKED, max_tokens: 400, ignore_eos: true, stream };
      const call = client.chat.completions.create(asked, { signal: abort.signal });
      call.catch(() => {});
      await eventually(async () => (await worker.health())["active_sessions"] === 1);
      abort.abort();
      await eventually(async () => (await worker.health())["active_sessions"] === 0);
    }
  });
});

void describe("HTTP surface", () => {
  void test("says what is not there, and what a path takes", async () => {
    await using worker = await startWorker();
    assert.equal((await worker.call("GET", "/nothing")).status, 404);
    const wrong = await worker.call("GET", "/worker/generate");
    assert.deepEqual([wrong.status, wrong.headers["allow"]], [405, "POST"]);
    const escaped = await worker.call("DELETE", "/worker/generate/%E0%A4%A");
    assert.equal(escaped.status, 400);
  });

  void test("refuses a body that is too large", async () => {
    await using worker = await startWorker();
    const body = JSON.stringify({ text: "x".repeat(17 * 1024 * 1024) });
    const answer = await worker.call("POST", "/worker/generate", body);
    assert.deepEqual([answer.status, answer.body.error.code], [413, "body_too_large"]);
  });

  void test("metrics have vLLM's names", async () => {
    await using worker = await startWorker();
    await worker.generate({ max_tokens: 5, ignore_eos: true });
    assert.equal(await worker.metric("vllm:generation_tokens_total"), 5);
    assert.equal(await worker.metric("vllm:num_requests_running"), 0);
    assert.equal(await worker.metric("vllm:num_requests_waiting"), 0);
    assert.equal(await worker.metric("vllm:time_to_first_token_seconds_count"), 1);
    assert.equal(await worker.metric("vllm:inter_token_latency_seconds_count"), 4);
    assert.equal(await worker.metric("vllm:request_time_per_output_token_seconds_count"), 1);
    assert.equal(await worker.metric("vllm:request_success_total"), 1);
  });
});
