import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import type OpenAI from "openai";
import { FakeWorker } from "../fakes/fake-worker.ts";
import type { FakeGeneration } from "../fakes/fake-worker.ts";
import { TestGateway } from "./running-gateway.ts";

const MESSAGES = [{ role: "user" as const, content: "Weather in Paris?" }];
const PARAMETERS = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const WEATHER = { type: "function" as const, function: { name: "get_weather", parameters: PARAMETERS } };
const CLOCK = { type: "function" as const, function: { name: "get_time" } };
const CALL = ['{"name": "get_', 'weather", "argu', 'ments": {"ci', 'ty": "Par', 'is"}', "}"];

describe("tools and formats, served by a worker", () => {
  let gateway: TestGateway;
  let worker: FakeWorker;
  before(async () => {
    gateway = await TestGateway.start();
    worker = await FakeWorker.start();
    await worker.register(gateway.url);
  });
  after(async () => {
    await gateway.close();
    await worker.close();
  });
  beforeEach(() => gateway.quiet());

  type Body = Omit<OpenAI.ChatCompletionCreateParamsNonStreaming, "model" | "messages">;

  async function ask(body: Body, ...texts: string[]): Promise<[OpenAI.ChatCompletion, FakeGeneration]> {
    const answer = gateway.client.chat.completions.create({ model: "tiny", messages: MESSAGES, ...body });
    const generation = await worker.next();
    generation.say(...texts);
    return [await answer, generation];
  }

  async function stream(body: Body, ...texts: string[]): Promise<OpenAI.ChatCompletionChunk.Choice[]> {
    const request = { model: "tiny", messages: MESSAGES, ...body, stream: true as const };
    const [chunks] = await Promise.all([
      gateway.client.chat.completions.create(request),
      worker.next().then((generation) => generation.say(...texts)),
    ]);
    return (await Array.fromAsync(chunks)).flatMap(({ choices }) => choices);
  }

  it("confines the answer to a call where one is required, and gives it as a call", async () => {
    const [answer, { request }] = await ask({ tools: [WEATHER, CLOCK], tool_choice: "required" }, ...CALL);
    const { message, finish_reason } = answer.choices[0]!;
    assert.equal(finish_reason, "tool_calls");
    assert.equal(message.content, null);
    const [call] = message.tool_calls!;
    assert.ok(call?.type === "function" && call.id.startsWith("call_"));
    assert.deepEqual(call.function, { name: "get_weather", arguments: '{"city": "Paris"}' });

    assert.deepEqual(request["prompt"], { messages: MESSAGES, tools: [WEATHER, CLOCK] });
    const nothing = { type: "object", properties: {}, additionalProperties: false };
    const anyOf = [form("get_weather", PARAMETERS), form("get_time", nothing)];
    assert.deepEqual(request["grammar"], { json_schema: { anyOf } });
  });

  it("keeps references within the parameters of a tool", async () => {
    const parameters = {
      type: "object",
      properties: { at: { $ref: "#/$defs/place" }, next: { $ref: "#" } },
      $defs: { place: { type: "string" } },
    };
    const tool = { type: "function" as const, function: { name: "go", parameters } };
    const [, { request }] = await ask({ tools: [tool], tool_choice: "required" }, "{}");
    const { json_schema } = request["grammar"] as { json_schema: Record<string, Record<string, object>> };
    assert.deepEqual(json_schema["properties"]!["arguments"], { $ref: "#/$defs/parameters0" });
    assert.deepEqual(json_schema["$defs"]!["parameters0"], {
      type: "object",
      properties: { at: { $ref: "#/$defs/parameters0/$defs/place" }, next: { $ref: "#/$defs/parameters0" } },
      $defs: { place: { type: "string" } },
    });
  });

  it("streams a required call: first its name, then its arguments as they come", async () => {
    const tool_choice = { type: "function" as const, function: { name: "get_weather" } };
    const choices = await stream({ tools: [WEATHER, CLOCK], tool_choice }, ...CALL);
    const calls = choices.flatMap(({ delta }) => delta.tool_calls ?? []);
    assert.equal(calls[0]?.function?.name, "get_weather");
    assert.equal(calls[0]?.function?.arguments, "");
    assert.ok(calls[0]?.id);
    assert.ok(calls.length >= 3, "the arguments came in pieces");
    assert.ok(calls.every(({ index }) => index === 0));
    assert.equal(calls.map((call) => call.function?.arguments).join(""), '{"city": "Paris"}');
    assert.ok(choices.every(({ delta }) => !delta.content));
    assert.equal(choices.at(-1)?.finish_reason, "tool_calls");
  });

  it("finds calls in a text that may hold some, and lets nothing of their marks through", async () => {
    const text =
      'Let me see.\n<tool_call>\n{"name":"get_weather","arguments":{"city":"Paris"}}\n</tool_call>\n<tool_call>{"name":"get_time"}</tool_call>';
    const pieces = text.match(/[^]{1,3}/g)!;
    const [answer, { request }] = await ask({ tools: [WEATHER, CLOCK] }, ...pieces);
    assert.equal(request["grammar"], undefined);
    const { message, finish_reason } = answer.choices[0]!;
    assert.equal(message.content, "Let me see.");
    assert.deepEqual(
      message.tool_calls?.map((call) => call.type === "function" && call.function),
      [
        { name: "get_weather", arguments: '{"city":"Paris"}' },
        { name: "get_time", arguments: "{}" },
      ],
    );
    assert.equal(finish_reason, "tool_calls");

    const choices = await stream({ tools: [WEATHER, CLOCK] }, ...pieces);
    assert.equal(choices.map(({ delta }) => delta.content ?? "").join(""), "Let me see.");
    const calls = choices.flatMap(({ delta }) => delta.tool_calls ?? []);
    assert.deepEqual([...new Set(calls.map(({ index }) => index))], [0, 1]);
    assert.equal(new Set(calls.flatMap(({ id }) => id ?? [])).size, 2);
    assert.equal(choices.at(-1)?.finish_reason, "tool_calls");
  });

  it("leaves an answer without calls as it is", async () => {
    const [answer] = await ask({ tools: [WEATHER] }, "It", " is", " sunny");
    assert.equal(answer.choices[0]?.message.content, "It is sunny");
    assert.equal(answer.choices[0]?.message.tool_calls, undefined);
    assert.equal(answer.choices[0]?.finish_reason, "stop");
  });

  it("stops behind the first call where only one is wanted", async () => {
    const [answer, { request }] = await ask(
      { tools: [WEATHER], parallel_tool_calls: false, stop: "END" },
      '<tool_call>{"name":"get_weather","arguments":{}}',
    );
    assert.deepEqual(request["stop"], ["END", "</tool_call>"]);
    assert.equal(answer.choices[0]?.message.tool_calls?.length, 1);
  });

  it("shows the model no tools that it may not call", async () => {
    const [answer, { request }] = await ask({ tools: [WEATHER], tool_choice: "none" }, "<tool_call>");
    assert.deepEqual(request["prompt"], { messages: MESSAGES });
    assert.equal(answer.choices[0]?.message.content, "<tool_call>");
  });

  it("passes calls and their results on to the worker", async () => {
    const tool_calls = [
      { id: "c1", type: "function" as const, function: { name: "get_time", arguments: "{}" } },
    ];
    const messages: OpenAI.ChatCompletionMessageParam[] = [
      ...MESSAGES,
      { role: "assistant", content: null, tool_calls },
      { role: "tool", tool_call_id: "c1", content: [{ type: "text", text: "noon" }] },
    ];
    const answer = gateway.client.chat.completions.create({ model: "tiny", messages, tools: [CLOCK] });
    const generation = await worker.next();
    assert.deepEqual(generation.request["prompt"], {
      messages: [
        ...MESSAGES,
        { role: "assistant", content: "", tool_calls },
        { role: "tool", content: "noon", tool_call_id: "c1" },
      ],
      tools: [CLOCK],
    });
    generation.say("It is noon.");
    await answer;
  });

  for (const [response_format, grammar] of [
    [{ type: "text" }, undefined],
    [{ type: "json_object" }, { json: true }],
    [
      { type: "json_schema", json_schema: { name: "s", strict: false, schema: { type: "object" } } },
      { json_schema: { type: "object" } },
    ],
  ] as [NonNullable<Body["response_format"]>, object | undefined][]) {
    it(`asks the worker for the format ${response_format.type}`, async () => {
      const [, { request }] = await ask({ response_format }, "{}");
      assert.deepEqual(request["grammar"], grammar);
    });
  }

  it("passes a bias on, and gives logprobs in OpenAI's form", async () => {
    const logprobs = [{ ...token("Hi", -0.1), top: [token("Hi", -0.1), token("Ho", -2)] }];
    const body = { logprobs: true, top_logprobs: 2, logit_bias: { "7": -100 } };
    const expected = [
      {
        token: "Hi",
        bytes: [72, 105],
        logprob: -0.1,
        top_logprobs: [
          { token: "Hi", bytes: [72, 105], logprob: -0.1 },
          { token: "Ho", bytes: [72, 111], logprob: -2 },
        ],
      },
    ];
    const say = async (): Promise<void> => {
      const generation = await worker.next();
      assert.deepEqual(generation.request["logit_bias"], { "7": -100 });
      assert.equal(generation.request["logprobs"], 2);
      generation.started();
      generation.token("Hi", 0, { logprobs });
      generation.done();
    };
    const request = { model: "tiny", messages: MESSAGES, ...body };
    const [answer] = await Promise.all([gateway.client.chat.completions.create(request), say()]);
    assert.deepEqual(answer.choices[0]?.logprobs?.content, expected);
    const [chunks] = await Promise.all([
      gateway.client.chat.completions.create({ ...request, stream: true }),
      say(),
    ]);
    const told = (await Array.fromAsync(chunks)).flatMap(
      ({ choices }) => choices[0]?.logprobs?.content ?? [],
    );
    assert.deepEqual(told, expected);
  });
});

/** What a grammar leaves of calls of that function. */
function form(name: string, parameters: object): object {
  return {
    type: "object",
    properties: { name: { const: name }, arguments: parameters },
    required: ["name", "arguments"],
    additionalProperties: false,
  };
}

function token(text: string, logprob: number): object {
  return { id: 7, token: text, bytes: [...Buffer.from(text)], logprob };
}
