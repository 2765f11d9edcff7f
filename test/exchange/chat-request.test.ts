import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { readChatRequest } from "../../src/exchange/chat-request.ts";
import { readPrompt } from "../../src/exchange/read-prompt.ts";

const TOOL = { type: "function", function: { name: "f", parameters: { type: "object" } } };
const CALL = { id: "c", type: "function", function: { name: "f", arguments: "{}" } };
const VALID = { model: "tiny", messages: [{ role: "user", content: "Hi" }] };

/** The parameter that is at fault in a request for one of our workers; null when none is. */
function faultOf(body: object): string | null {
  const chat = readChatRequest(Buffer.from(JSON.stringify(body)));
  if ("code" in chat) return chat.param ?? "(body)";
  const prompt = readPrompt(chat);
  return "code" in prompt ? (prompt.param ?? "(body)") : null;
}

const user = (content: unknown): object => ({ messages: [{ role: "user", content }] });

describe("a chat completion request", () => {
  for (const [changes, param] of [
    [{ model: undefined }, "model"],
    [{ model: 1 }, "model"],
    [{ model: "" }, "model"],
    [{ model: "x".repeat(300) }, "model"],
    [{ messages: undefined }, "messages"],
    [{ messages: [] }, "messages"],
    [{ messages: "Hi" }, "messages"],
    [{ messages: ["Hi"] }, "messages[0]"],
    [{ messages: [{ content: "Hi" }] }, "messages[0].role"],
    [{ messages: [{ role: "function", content: "Hi" }] }, "messages[0].role"],
    [{ messages: [{ role: "tool", content: "Hi" }] }, "messages[0].tool_call_id"],
    [{ messages: [{ role: "assistant", tool_calls: [{}] }] }, "messages[0].tool_calls[0]"],
    [{ messages: [{ role: "assistant", tool_calls: CALL }] }, "messages[0].tool_calls"],
    [{ messages: [{ role: "user", content: "Hi", tool_calls: [CALL] }] }, "messages[0].tool_calls"],
    [{ messages: [{ role: "assistant", function_call: {} }] }, "messages[0].function_call"],
    [user(null), "messages[0].content"],
    [user(1), "messages[0].content"],
    [user([]), "messages[0].content"],
    [user([{ type: "text", text: "a" }, { type: "image_url" }]), "messages[0].content[1]"],
    [{ stream: "yes" }, "stream"],
    [{ stream_options: { include_usage: true } }, "stream_options"],
    [{ stream: true, stream_options: [] }, "stream_options"],
    [{ stream: true, stream_options: { include_usage: 1 } }, "stream_options.include_usage"],
    [{ max_tokens: 0 }, "max_tokens"],
    [{ max_tokens: 1.5 }, "max_tokens"],
    [{ max_tokens: "9" }, "max_tokens"],
    [{ max_completion_tokens: -1 }, "max_completion_tokens"],
    [{ max_tokens: 1, max_completion_tokens: 2 }, "max_tokens"],
    [{ n: 0 }, "n"],
    [{ n: "2" }, "n"],
    [{ temperature: 2.1 }, "temperature"],
    [{ temperature: "hot" }, "temperature"],
    [{ top_p: -0.1 }, "top_p"],
    [{ seed: 1.5 }, "seed"],
    [{ presence_penalty: 3 }, "presence_penalty"],
    [{ frequency_penalty: -3 }, "frequency_penalty"],
    [{ stop: "" }, "stop"],
    [{ stop: [1] }, "stop"],
    [{ stop: ["a", "b", "c", "d", "e"] }, "stop"],
    [{ ignore_eos: 1 }, "ignore_eos"],
    [{ tools: {} }, "tools"],
    [{ tools: [{ type: "custom", custom: { name: "f" } }] }, "tools[0]"],
    [{ tools: [{ type: "function" }] }, "tools[0]"],
    [{ tools: [{ type: "function", function: { name: "a b" } }] }, "tools[0].function.name"],
    [{ tools: [TOOL, TOOL] }, "tools[1].function.name"],
    [{ tools: [{ ...TOOL, function: { name: "g", parameters: 1 } }] }, "tools[0].function.parameters"],
    [{ tools: Array.from({ length: 129 }, () => TOOL) }, "tools"],
    [{ tool_choice: "required" }, "tool_choice"],
    [{ tools: [TOOL], tool_choice: "any" }, "tool_choice"],
    [{ tools: [TOOL], tool_choice: { type: "function", function: { name: "g" } } }, "tool_choice"],
    [{ tools: [TOOL], parallel_tool_calls: 1 }, "parallel_tool_calls"],
    [{ tools: [TOOL], response_format: { type: "json_object" } }, "response_format"],
    [{ functions: [{}] }, "functions"],
    [{ function_call: { name: "f" } }, "function_call"],
    [{ response_format: "json" }, "response_format"],
    [{ response_format: { type: "xml" } }, "response_format"],
    [{ response_format: { type: "json_schema" } }, "response_format.json_schema"],
    [{ response_format: { type: "json_schema", json_schema: {} } }, "response_format.json_schema"],
    [
      { response_format: { type: "json_schema", json_schema: { name: "s", schema: [] } } },
      "response_format.json_schema.schema",
    ],
    [{ logprobs: 1 }, "logprobs"],
    [{ logprobs: true, top_logprobs: 21 }, "top_logprobs"],
    [{ top_logprobs: 5 }, "top_logprobs"],
    [{ logit_bias: [] }, "logit_bias"],
    [{ logit_bias: { a: 1 } }, "logit_bias"],
    [{ logit_bias: { "1": 101 } }, "logit_bias"],
    [{ logit_bias: { "1": "1" } }, "logit_bias"],
    // What would change the meaning of the answer.
    [{ modalities: ["text", "audio"] }, "modalities"],
    [{ audio: {} }, "audio"],
    [{ prediction: {} }, "prediction"],
    [{ web_search_options: {} }, "web_search_options"],
    [{ max_token: 5 }, "max_token"],
    // What does not, or asks for what is done anyway.
    [{}, null],
    [{ n: null, stop: null, temperature: null, max_tokens: null, stream_options: null, tools: null }, null],
    [{ max_tokens: 5, max_completion_tokens: 5 }, null],
    [{ temperature: 0, top_p: 1, seed: -1, stop: ["a", "b"], top_k: 40, min_p: 0.1 }, null],
    [{ tools: [], tool_choice: "none", response_format: { type: "text" }, logprobs: false }, null],
    [{ tools: [TOOL], tool_choice: "none", response_format: { type: "json_object" } }, null],
    [{ tools: [TOOL], tool_choice: "required", parallel_tool_calls: false }, null],
    [{ tools: [TOOL], tool_choice: { type: "function", function: { name: "f" } } }, null],
    [{ functions: [], function_call: "none" }, null],
    [{ response_format: { type: "json_schema", json_schema: { name: "s", schema: {} } } }, null],
    [{ logprobs: true, top_logprobs: 20, logit_bias: { "50256": -100 } }, null],
    [
      {
        messages: [
          { role: "assistant", tool_calls: [CALL] },
          { role: "tool", tool_call_id: "c", content: "1" },
        ],
      },
      null,
    ],
    [{ logit_bias: {}, modalities: ["text"], top_logprobs: 0 }, null],
    [{ metadata: { a: "b" }, store: true, user: "u", service_tier: "auto", safety_identifier: "s" }, null],
    [user([{ type: "text", text: "Hi" }]), null],
    [{ messages: [{ role: "developer", content: "x", name: "n" }] }, null],
  ] as [Record<string, unknown>, string | null][]) {
    const what = JSON.stringify(changes, (_, value: unknown) => (value === undefined ? "absent" : value));
    it(`${what.slice(0, 90)} is ${param === null ? "accepted" : `refused for ${param}`}`, () => {
      assert.equal(faultOf({ ...VALID, ...changes }), param);
    });
  }

  it("never makes the reader throw, whatever JSON it is", () => {
    fc.assert(fc.property(fc.json(), (body) => void readChatRequest(Buffer.from(body))));
    const names =
      "model messages stream n stop temperature tools tool_choice response_format content role max_tokens";
    const key = fc.constantFrom(...names.split(" "));
    const changes = fc.dictionary(key, fc.jsonValue({ maxDepth: 3 }));
    fc.assert(fc.property(changes, (document) => void faultOf({ ...VALID, ...document })));
  });

  it("bounds its prompt by bytes, whatever the language", () => {
    const contents = fc.array(fc.string({ unit: "grapheme" }), { minLength: 1 });
    fc.assert(
      fc.property(contents, (texts) => {
        const messages = texts.map((content) => ({ role: "user", content }));
        const chat = readChatRequest(Buffer.from(JSON.stringify({ model: "tiny", messages })));
        assert.ok(!("code" in chat));
        const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
        assert.equal(chat.promptTokensMax, bytes + 16 * texts.length + 128);
      }),
    );
  });
});
