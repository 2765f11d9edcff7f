import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ask, type Outcome } from "../../bench/budget-torture/client.ts";
import { INPUT_NANO, nanoOf, OUTPUT_NANO, usdOf, worstCostOf } from "../../bench/budget-torture/money.ts";
import { readScript, type Script, writeScript } from "../../bench/budget-torture/script.ts";
import { Books } from "../../bench/budget-torture/upstream/books.ts";
import { Upstream } from "../../bench/budget-torture/upstream/upstream.ts";

// The books are what gateways are held to, so they are held to something first.

const books = new Books();
const upstream = new Upstream(books);

before(() => upstream.start());
after(() => upstream.stop());

/** What the prompt of a script without padding has in words; each field of the script is one. */
function promptTokens(content: string): number {
  return content.split(" ").length;
}

async function send(
  script: Partial<Script> & { id: string },
  more: { body?: object; leaveAt?: number } = {},
): Promise<{ outcome: Outcome; content: string }> {
  const content = writeScript(script);
  const body = { model: "solo", messages: [{ role: "user", content }], ...more.body };
  const leaving = more.leaveAt === undefined ? {} : { leaveAt: more.leaveAt };
  return { outcome: await ask({ url: upstream.url, headers: {}, body, ...leaving }), content };
}

test("an answer is as long as its script says, and max_tokens allow", async () => {
  const { outcome, content } = await send(
    { id: "whole", tokens: 12 },
    { body: { max_tokens: 20, stream: true } },
  );
  assert.deepEqual([outcome.kind, outcome.tokens], ["answered", 12]);
  const nano = promptTokens(content) * INPUT_NANO + 12 * OUTPUT_NANO;
  assert.deepEqual(books.spendOf(["whole"]), { nano, overageNano: 0 });

  await send({ id: "cut", tokens: 12 }, { body: { max_completion_tokens: 5, n: 3 } });
  assert.equal(books.callsOf(["cut"])[0]!.completionTokens, 15);
});

test("a client that leaves is billed for what was made until then", async () => {
  const { outcome } = await send(
    { id: "left", tokens: 50, chunk: 4, pauseAt: 10, paceMs: 1 },
    { body: { max_tokens: 50, stream: true }, leaveAt: 10 },
  );
  assert.deepEqual([outcome.kind, outcome.tokens], ["left", 10]);
  while (books.callsOf(["left"])[0]!.state === "open") await new Promise((resolve) => setImmediate(resolve));
  const [call] = books.callsOf(["left"]);
  assert.deepEqual([call!.state, call!.completionTokens], ["left", 10]);
});

test("attempts fail as often as they are to, and are billed for what they have made", async () => {
  for (const how of ["500", "hang_up", "break"] as const) {
    const kinds: string[] = [];
    for (let i = 0; i < 3; i++) {
      const script = { id: how, tokens: 9, fails: 2, how, breakAt: 4 };
      kinds.push((await send(script, { body: { max_tokens: 9, stream: true } })).outcome.kind);
    }
    assert.deepEqual(kinds, ["failed", "failed", "answered"], how);
    const made = books.callsOf([how]).map(({ completionTokens }) => completionTokens);
    assert.deepEqual(made, how === "break" ? [4, 4, 9] : [0, 0, 9]);
  }
  const prompt = promptTokens(writeScript({ id: "500", tokens: 9, fails: 2, breakAt: 4 })) * INPUT_NANO;
  assert.equal(books.spendOf(["500"]).nano, prompt + 9 * OUTPUT_NANO);
});

test("what is billed beyond the maximum is overage", async () => {
  await send({ id: "over", tokens: 10, overbill: 6 }, { body: { max_tokens: 10 } });
  assert.equal(books.spendOf(["over"]).overageNano, 6 * OUTPUT_NANO);
  await send({ id: "under", tokens: 2, overbill: 6 }, { body: { max_tokens: 10 } });
  assert.equal(books.spendOf(["under"]).overageNano, 0);
});

test("usage is sent to those who ask, unless the script keeps it back", async () => {
  const streamed = { max_tokens: 3, stream: true, stream_options: { include_usage: true } };
  for (const [usage, expected] of [
    [1, true],
    [0, false],
  ] as const) {
    const content = writeScript({ id: `usage-${usage}`, tokens: 3, usage });
    const response = await fetch(`${upstream.url}/chat/completions`, {
      method: "POST",
      body: JSON.stringify({ model: "solo", messages: [{ role: "user", content }], ...streamed }),
    });
    assert.equal((await response.text()).includes('"completion_tokens":3'), expected);
  }
});

test("one that was stopped takes no calls, and is there again on the same port", async () => {
  const { url } = upstream;
  await upstream.stop();
  assert.equal((await send({ id: "down" })).outcome.kind, "failed");
  await upstream.start();
  assert.equal(upstream.url, url);
  assert.equal((await send({ id: "down" })).outcome.kind, "answered");
});

test("a script survives the prompt", () => {
  const script = readScript(writeScript({ id: "a-1", tokens: 7, how: "break", fails: 1, breakAt: 3 }, 2));
  assert.partialDeepStrictEqual(script, {
    id: "a-1",
    tokens: 7,
    how: "break",
    fails: 1,
    breakAt: 3,
    chunk: 1,
  });
  assert.equal(readScript("What is the capital of France?"), null);
});

test("amounts are written and read exactly, and the worst case is above what is billed", () => {
  assert.equal(usdOf(1_500_000), "0.0015");
  assert.equal(usdOf(12_000_000_000), "12");
  assert.equal(nanoOf("0.000000001"), 1);
  assert.equal(nanoOf(0.1 + 0.2), 300_000_000);
  assert(worstCostOf({ content: "a b", maxTokens: 10 }) > 2 * INPUT_NANO + 10 * OUTPUT_NANO);
});
