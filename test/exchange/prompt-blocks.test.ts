import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readChatRequest } from "../../src/exchange/chat-request.ts";
import type { ClientRequest } from "../../src/exchange/client-request.ts";
import { readCompletionRequest } from "../../src/exchange/completion-request.ts";
import { BLOCKS_MAX, PROMPT_BYTES_MAX, promptBlocks, TOKEN_BYTES } from "../../src/exchange/prompt-blocks.ts";

const BLOCK_TOKENS = 8;
const BLOCK_BYTES = BLOCK_TOKENS * TOKEN_BYTES;

function chat(messages: object[], more: object = {}): ClientRequest {
  const asked = readChatRequest(Buffer.from(JSON.stringify({ model: "m", messages, ...more })));
  assert.ok("surface" in asked);
  return asked;
}

function completion(prompt: unknown): ClientRequest {
  const asked = readCompletionRequest(Buffer.from(JSON.stringify({ model: "m", prompt })));
  assert.ok("surface" in asked);
  return asked;
}

const blocks = (asked: ClientRequest): number[] => promptBlocks(asked, BLOCK_TOKENS);
const user = (content: unknown): object => ({ role: "user", content });

/** How many blocks two prompts have in common from their beginnings. */
function common(a: number[], b: number[]): number {
  const end = a.findIndex((block, i) => block !== b[i]);
  return end === -1 ? a.length : end;
}

describe("blocks of prompts", () => {
  it("are as many as are full, each a whole number of 52 bits", () => {
    const one = blocks(completion("x".repeat(BLOCK_BYTES * 3 + BLOCK_BYTES - 1)));
    assert.equal(one.length, 3);
    assert.equal(blocks(completion("x".repeat(BLOCK_BYTES * 4))).length, 4);
    assert.deepEqual(blocks(completion("x".repeat(BLOCK_BYTES - 1))), []);
    for (const block of one) assert.ok(Number.isSafeInteger(block) && block >= 0 && block < 2 ** 52);
    // The text repeats, the numbers don't: each stands for all before it as well.
    assert.equal(new Set(one).size, 3);
  });

  it("are the same as far as prompts are, and no further", () => {
    const text = "The quick brown fox jumps over the lazy dog. ".repeat(20);
    const whole = blocks(completion(text));
    for (let block = 0; block < whole.length; block += 3) {
      const at = block * BLOCK_BYTES + 5;
      const changed = `${text.slice(0, at)}#${text.slice(at + 1)}`;
      assert.equal(common(whole, blocks(completion(changed))), block);
    }
  });

  it("of a conversation begin with those of its earlier turns", () => {
    const turns = Array.from({ length: 6 }, (_, i) => ({
      role: i % 2 === 0 ? "user" : "assistant",
      content: `turn ${i} ${"words ".repeat(40)}`,
    }));
    const before = blocks(chat(turns.slice(0, 3)));
    assert.equal(common(before, blocks(chat(turns))), before.length);
  });

  it("know who said what, and where one message ends", () => {
    const tail = user("x".repeat(200));
    const pairs = [
      [
        [user("ab"), user("c")],
        [user("a"), user("bc")],
      ],
      [[user("ab")], [{ role: "system", content: "ab" }]],
      [[user("a")], [{ ...user("a"), tool_calls: [{ id: "1" }] }]],
    ] as const;
    for (const [a, b] of pairs)
      assert.equal(common(blocks(chat([...a, tail])), blocks(chat([...b, tail]))), 0);
  });

  it("count tools as the beginning, and texts in parts as texts", () => {
    const messages = [user("x".repeat(100))];
    const tools = [{ type: "function", function: { name: "f" } }];
    assert.equal(common(blocks(chat(messages)), blocks(chat(messages, { tools }))), 0);
    const parts = [
      user([
        { type: "text", text: "x".repeat(60) },
        { type: "text", text: "x".repeat(40) },
      ]),
    ];
    assert.deepEqual(blocks(chat(parts)), blocks(chat(messages)));
    const image = [
      user([
        { type: "image_url", image_url: { url: "data:," } },
        { type: "text", text: "x".repeat(100) },
      ]),
    ];
    assert.equal(common(blocks(chat(image)), blocks(chat(messages))), 0);
  });

  it("of token ids go by tokens, of any alphabet by bytes", () => {
    assert.equal(blocks(completion(Array.from({ length: BLOCK_TOKENS * 2 + 1 }, (_, i) => i))).length, 2);
    assert.deepEqual(blocks(completion([[...Array(16).keys()]])), blocks(completion([...Array(16).keys()])));
    assert.equal(blocks(completion("語".repeat(BLOCK_BYTES))).length, 3);
  });

  it("are bounded, however long the prompt", () => {
    const text = "a long story ".repeat(PROMPT_BYTES_MAX / 10);
    assert.equal(promptBlocks(completion(text), 1).length, BLOCKS_MAX);
    assert.equal(promptBlocks(completion(text), 512).length, PROMPT_BYTES_MAX / (512 * TOKEN_BYTES));
    const many = Array.from({ length: 50 }, () => user(text.slice(0, 20_000)));
    assert.ok(promptBlocks(chat(many), 512).length <= PROMPT_BYTES_MAX / (512 * TOKEN_BYTES));
  });

  it("can't be foretold without the key", () => {
    const asked = completion("x".repeat(BLOCK_BYTES * 2));
    const numbers = [
      [1, 2],
      [1, 3],
      [2, 2],
    ].map(([low, high]) => promptBlocks(asked, BLOCK_TOKENS, [low!, high!]).join());
    assert.equal(new Set(numbers).size, 3);
  });

  it("are spread over all their bits", () => {
    const all = Array.from(
      { length: 4_000 },
      (_, i) => blocks(completion(String(i).padEnd(BLOCK_BYTES, "x")))[0]!,
    );
    assert.equal(new Set(all).size, all.length);
    for (let bit = 0; bit < 52; bit++) {
      const ones = all.filter((block) => Math.floor(block / 2 ** bit) % 2 === 1).length;
      // Six standard deviations around the half.
      assert.ok(Math.abs(ones - 2_000) < 6 * Math.sqrt(1_000), `bit ${bit}: ${ones}`);
    }
  });
});
