import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { readChatRequest } from "../../src/exchange/chat-request.ts";
import { startTestHeadgate, type TestHeadgate } from "./headgate.ts";

const MESSAGES = [{ role: "user" as const, content: "What is the weather in Paris?" }];
const PARAMETERS = {
  type: "object",
  properties: {
    city: { enum: ["Paris", "Rome"] },
    days: { $ref: "#/$defs/days" },
    note: { type: "string", maxLength: 8 },
  },
  required: ["city", "days", "note"],
  additionalProperties: false,
  $defs: { days: { enum: [1, 2, 3] } },
};
const WEATHER = {
  type: "function" as const,
  function: { name: "get_weather", description: "Weather of a “city”.", parameters: PARAMETERS },
};
const CLOCK = { type: "function" as const, function: { name: "get_time" } };
/** Each answer to them is short, whatever a model makes of it. */
const SCHEMAS: Record<string, Record<string, unknown>> = {
  record: {
    type: "object",
    properties: { ok: { type: "boolean" }, size: { enum: ["small", "large"] } },
    required: ["ok", "size"],
    additionalProperties: false,
  },
  list: { type: "array", items: { enum: [1, 2, 3] }, minItems: 1, maxItems: 4 },
  union: { anyOf: [{ const: "é ☕" }, { type: "null" }, { type: "array", maxItems: 0 }] },
  text: { type: "string", minLength: 1, maxLength: 12 },
  nested: {
    type: "object",
    properties: { at: { $ref: "#/$defs/place" } },
    required: ["at"],
    additionalProperties: false,
    $defs: {
      place: {
        type: "object",
        properties: { x: { enum: [0, 1] }, when: { type: "string", format: "date" } },
        required: ["x", "when"],
        additionalProperties: false,
      },
    },
  },
};

describe("the chat surface on a real worker", () => {
  let headgate: TestHeadgate;
  let client: OpenAI;
  before(async () => {
    headgate = await startTestHeadgate({ workers: ["one"] });
    client = headgate.client;
  });
  after(() => headgate.stop());

  type Body = Omit<OpenAI.ChatCompletionCreateParamsNonStreaming, "model">;

  function ask(body: Partial<Body>): Promise<OpenAI.ChatCompletion> {
    return client.chat.completions.create({ model: "default", messages: MESSAGES, max_tokens: 128, ...body });
  }

  for (const [tools, tool_choice, names] of [
    [[WEATHER, CLOCK], "required", ["get_weather", "get_time"]],
    [[CLOCK, WEATHER], { type: "function", function: { name: "get_weather" } }, ["get_weather"]],
  ] as [Body["tools"] & object, Body["tool_choice"] & object, string[]][]) {
    const which = typeof tool_choice === "string" ? tool_choice : "named";
    for (const seed of [1, 2, 3]) {
      it(`calls a tool where one is ${which}, seed ${seed}`, async () => {
        const stream = client.chat.completions.stream({
          model: "default",
          messages: MESSAGES,
          max_tokens: 128,
          tools,
          tool_choice,
          seed,
          temperature: 1,
        });
        const { finish_reason, message } = (await stream.finalChatCompletion()).choices[0]!;
        assert.equal(finish_reason, "tool_calls");
        assert.equal(message.tool_calls?.length, 1);
        const [call] = message.tool_calls;
        assert.ok(call?.type === "function");
        assert.ok(names.includes(call.function.name));
        checkArguments(call.function.name, call.function.arguments);

        const whole = await ask({ tools, tool_choice, seed, temperature: 1 });
        const [same] = whole.choices[0]!.message.tool_calls!;
        assert.ok(same?.type === "function");
        assert.deepEqual(same.function.name, call.function.name);
        checkArguments(same.function.name, same.function.arguments);
      });
    }
  }

  for (const [name, schema] of Object.entries(SCHEMAS)) {
    it(`answers in JSON as the schema says: ${name}`, async () => {
      for (const seed of [1, 2, 3]) {
        const { choices } = await ask({
          seed,
          temperature: 1.5,
          response_format: { type: "json_schema", json_schema: { name, strict: true, schema } },
        });
        assert.equal(choices[0]!.finish_reason, "stop");
        JSON.parse(choices[0]!.message.content!);
      }
    });
  }

  it("answers what the openai client parses by itself", async () => {
    const form = z.object({
      city: z.enum(["Paris", "Rome"]),
      warm: z.boolean().nullable(),
      tags: z.array(z.literal("x")).max(2),
    });
    const completion = await client.chat.completions.parse({
      model: "default",
      messages: MESSAGES,
      response_format: zodResponseFormat(form, "weather"),
    });
    assert.ok(form.safeParse(completion.choices[0]!.message.parsed).success);
  });

  it("answers with a JSON object where any will do, or is cut short", async () => {
    for (const seed of [1, 2, 3, 4]) {
      const { choices } = await ask({ seed, response_format: { type: "json_object" } });
      const { content } = choices[0]!.message;
      if (choices[0]!.finish_reason === "stop") assert.equal(typeof JSON.parse(content!), "object");
      else assert.match(content!, /^\s*\{/);
    }
  });

  it("says which keyword of a schema it does not know", async () => {
    const schema = { type: "string", pattern: "^a" };
    await assert.rejects(
      ask({ response_format: { type: "json_schema", json_schema: { name: "s", schema } } }),
      { status: 400, message: /`pattern`/ },
    );
  });

  it("tells logprobs, the chosen token's the greatest at temperature 0", async () => {
    const { choices, usage } = await ask({ temperature: 0, logprobs: true, top_logprobs: 3, max_tokens: 6 });
    const content = choices[0]!.logprobs!.content!;
    assert.equal(content.length, usage!.completion_tokens);
    for (const { token, logprob, top_logprobs } of content) {
      assert.equal(top_logprobs.length, 3);
      assert.equal(top_logprobs[0]!.token, token);
      assert.ok(logprob <= 0 && logprob >= top_logprobs[1]!.logprob);
    }
    const bytes = Buffer.from(content.flatMap((one) => one.bytes ?? []));
    assert.ok(bytes.toString().startsWith(choices[0]!.message.content!));
  });

  it("never says a token that is banned", async () => {
    const worker = await fetch(`${headgate.workerUrl("one")}/worker/generate`, {
      method: "POST",
      body: JSON.stringify({
        id: "ids",
        supervisor: "test",
        model: "headgate-0.3m",
        prompt: { text: "Once" },
        max_tokens: 1,
        credit: 1,
        sampling: { temperature: 0 },
      }),
    });
    const first = Number(/"ids":\[(\d+)\]/.exec(await worker.text())![1]);
    const [said] = await tokensOf(client, {});
    assert.ok(said !== undefined);
    assert.ok(!(await tokensOf(client, { [first]: -100 })).includes(said));
    assert.deepEqual(await tokensOf(client, { [first]: 100 }), [said, said, said, said]);
  });

  it("reads a prompt once for all of its choices", async () => {
    const one = await ask({ max_tokens: 5, seed: 1 });
    const three = await ask({ max_tokens: 5, seed: 1, n: 3, temperature: 1.5 });
    assert.equal(three.choices.length, 3);
    assert.equal(three.usage!.prompt_tokens, one.usage!.prompt_tokens);
    assert.ok(three.usage!.completion_tokens > 5);
    assert.ok(new Set(three.choices.map(({ message }) => message.content)).size > 1);
  });

  it("tells what it cost, to the nano-USD, in the usage and in a header", async () => {
    const { data, response } = await client.chat.completions
      .create({ model: "default", messages: MESSAGES, max_tokens: 5 })
      .withResponse();
    const { prompt_tokens, completion_tokens } = data.usage!;
    const costUsd = (prompt_tokens + 2 * completion_tokens) / 1_000_000;
    const told = data.usage as unknown as { cost_usd: number };
    assert.equal(told.cost_usd.toFixed(9), costUsd.toFixed(9));
    assert.equal(Number(response.headers.get("x-headgate-cost-usd")), told.cost_usd);
  });

  it("continues a text, streamed and not", async () => {
    const request = { model: "default", prompt: "The capital of France is", max_tokens: 8, temperature: 0 };
    const whole = await client.completions.create(request);
    assert.equal(whole.usage?.completion_tokens, 8);
    const stream = await client.completions.create({ ...request, stream: true });
    const chunks = await Array.fromAsync(stream);
    assert.equal(chunks.map(({ choices }) => choices[0]?.text).join(""), whole.choices[0]?.text);
  });

  it("never reads a longer prompt than the gateway said it might be", async () => {
    const call = {
      id: "c1",
      type: "function" as const,
      function: { name: "get_weather", arguments: '{"city":"Paris","days":1,"note":"é☕"}' },
    };
    const talks: Partial<Body>[] = [
      {},
      { tools: [WEATHER] },
      { tools: [WEATHER, CLOCK], tool_choice: "required" },
      {
        tools: [CLOCK],
        messages: [
          { role: "system", content: "Be brief." },
          ...MESSAGES,
          { role: "assistant", content: null, tool_calls: [call, { ...call, id: "c2" }] },
          { role: "tool", tool_call_id: "c1", content: "" },
          { role: "tool", tool_call_id: "c2", content: "☕" },
        ],
      },
    ];
    for (const talk of talks) {
      const body = { model: "default", messages: MESSAGES, max_tokens: 1, ...talk };
      const asked = readChatRequest(Buffer.from(JSON.stringify(body)));
      assert.ok(!("code" in asked));
      const { usage } = await ask(body);
      assert.ok(usage!.prompt_tokens <= asked.promptTokensMax, JSON.stringify(talk));
    }
  });
});

function checkArguments(name: string, text: string): void {
  const given = JSON.parse(text) as Record<string, unknown>;
  if (name === "get_time") {
    assert.deepEqual(given, {});
    return;
  }
  assert.deepEqual(Object.keys(given), ["city", "days", "note"]);
  assert.ok(["Paris", "Rome"].includes(given["city"] as string));
  assert.ok([1, 2, 3].includes(given["days"] as number));
  assert.match(given["note"] as string, /^[^]{0,8}$/u);
}

/** The tokens of a short text, as they are said with that bias. */
async function tokensOf(client: OpenAI, logit_bias: Record<string, number>): Promise<string[]> {
  const request = {
    model: "default",
    prompt: "Once",
    max_tokens: 4,
    temperature: 0,
    logprobs: 0,
    logit_bias,
  };
  const { choices } = await client.completions.create(request);
  return choices[0]!.logprobs!.tokens!;
}
