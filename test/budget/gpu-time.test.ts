import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import OpenAI from "openai";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import { ScriptedServer } from "../fakes/scripted-server.ts";
import { until } from "../system/headgate.ts";
import { MODEL, MODEL_FILE, SupervisorHome } from "./supervisor-process.ts";

const CLI = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const ACCOUNT = "global/local";
/** With a hundred times as many GPUs as there are, a fifth of a second is a long answer. */
const GPUS = 100;
const LIMIT_US = 20_000_000;

/** Its answer is as long as it may be. */
const QUESTION: OpenAI.ChatCompletionCreateParamsStreaming & { ignore_eos: true } = {
  model: MODEL,
  messages: [{ role: "user", content: "What is the capital of France?" }],
  max_tokens: 8_000,
  stream: true,
  ignore_eos: true,
};

function sumOf(entries: readonly LedgerEntry[]): number {
  return entries.reduce((sum, { charge }) => sum + charge.gpuUs, 0);
}

test("an answer ends when the GPU time of its account is over, and names the limit; the bill says how much it was", async () => {
  const home = new SupervisorHome({
    models: { [MODEL]: { path: MODEL_FILE, slots: 1, gpus: GPUS, context_tokens: 8_192 } },
    workers: [{ id: "w1", models: [MODEL], threads: 1 }],
    budgets: { gpu_packet_seconds: 0.1 },
  });
  try {
    home.setLimit({ account: ACCOUNT, unit: "gpu_seconds", window: "total", amount: String(LIMIT_US) });
    const supervisor = await home.start();
    await until(async () => (await fetch(`${supervisor.url}/readyz`)).ok);
    const client = new OpenAI({ baseURL: `${supervisor.url}/v1`, apiKey: "unused", maxRetries: 0 });
    let end: OpenAI.ChatCompletionChunk.Choice | undefined;
    for await (const chunk of await client.chat.completions.create(QUESTION))
      if (chunk.choices[0]?.finish_reason) end = chunk.choices[0];
    assert.equal(end?.finish_reason, "length");
    assert.partialDeepStrictEqual(end, {
      headgate: { reason: "budget_exhausted", account: ACCOUNT, unit: "gpu_seconds", limit: "20" },
    });

    // Sooner or later, as far as the disk was fast enough, not even a packet is left of the limit.
    const refusals: unknown[] = [];
    let message = "";
    await until(async () => {
      try {
        for await (const _ of await client.chat.completions.create(QUESTION));
      } catch (error) {
        assert(error instanceof OpenAI.APIError);
        refusals.push(error.status, error.error);
        message = error.message;
      }
      return refusals.length > 0;
    });
    const limit = { unit: "gpu_seconds", amount: "20" };
    assert.partialDeepStrictEqual(refusals, [402, { code: "budget_insufficient", limit, needed: "10" }]);
    assert.match(message, /`budgets\.gpu_packet_seconds`/);
    assert.doesNotMatch(message, /max_tokens/);
    await supervisor.stop();
    const entries = home.entries();
    const posted = sumOf(entries.filter(({ operation }) => operation === "post"));
    const held = sumOf(entries.filter(({ operation }) => operation === "reserve" || operation === "extend"));
    assert(posted > 0 && posted <= held && posted <= LIMIT_US, `${posted} of ${held} µs`);
    for (const post of entries.filter(({ operation }) => operation === "post"))
      assert.equal(post.overage, null);
    const bill = execFileSync(process.execPath, [CLI, "chargeback", "--json", "--config", home.configPath], {
      encoding: "utf8",
    });
    assert.equal(JSON.parse(bill).total.gpu_seconds, String(posted / 1e6));
  } finally {
    home.remove();
  }
});

test("a supervisor that is killed charges all of the time that it held, and its worker's receipt says how much it was", async () => {
  const home = new SupervisorHome({
    models: { [MODEL]: { path: MODEL_FILE, slots: 2, gpus: 4, context_tokens: 8_192 } },
    workers: [{ id: "w1", models: [MODEL], threads: 1 }],
  });
  try {
    home.setLimit({ account: ACCOUNT, unit: "gpu_seconds", window: "total", amount: "3600000000" });
    const first = await home.start();
    await until(async () => (await fetch(`${first.url}/readyz`)).ok);
    const client = new OpenAI({ baseURL: `${first.url}/v1`, apiKey: "unused", maxRetries: 0 });
    const stream = await client.chat.completions.create(QUESTION);
    let seen = 0;
    await assert.rejects(async () => {
      for await (const _ of stream) if (++seen === 5) await first.kill();
    });
    const second = await home.start();
    await until(() => home.entries().some(({ operation }) => operation === "adjust"));
    await second.stop();
    const entries = home.entries();
    const post = entries.find(({ inDoubt }) => inDoubt)!;
    const adjust = entries.find(({ operation }) => operation === "adjust")!;
    // Ten seconds at a time of half of four GPUs.
    assert.equal(post.charge.gpuUs % 20_000_000, 0);
    assert(adjust.charge.gpuUs <= 0 && post.charge.gpuUs + adjust.charge.gpuUs > 0);
  } finally {
    home.remove();
  }
});

test("a server of one's own that has said nothing when time is over is left, and the answer is empty and names the limit", async () => {
  const server = await ScriptedServer.start();
  const home = new SupervisorHome({
    models: {},
    aliases: {},
    remotes: [
      { name: "own", url: `${server.url}/v1`, models: { big: "big-1" }, gpus: 2, concurrency_max: 4 },
    ],
    prices: { big: { input: 0, output: 1 } },
    budgets: { gpu_packet_seconds: 0.1 },
  });
  try {
    home.setLimit({ account: ACCOUNT, unit: "gpu_seconds", window: "total", amount: "150000" });
    const supervisor = await home.start();
    const client = new OpenAI({ baseURL: `${supervisor.url}/v1`, apiKey: "unused", maxRetries: 0 });
    const question = { model: "big", messages: [{ role: "user" as const, content: "Hello" }] };
    const named = { reason: "budget_exhausted", account: ACCOUNT, unit: "gpu_seconds", limit: "0.15" };

    const whole = await client.chat.completions.create(question);
    assert.equal(whole.choices[0]!.finish_reason, "length");
    assert.equal(whole.choices[0]!.message.content, "");
    assert.partialDeepStrictEqual(whole.choices[0], { headgate: named });

    home.setLimit({ account: ACCOUNT, unit: "gpu_seconds", window: "total", amount: "300000" });
    const ends: unknown[] = [];
    await until(async () => {
      // A new limit is in force a moment after it was set.
      const stream = await client.chat.completions.create({ ...question, stream: true }).catch(() => null);
      if (stream !== null) for await (const { choices } of stream) ends.push(...choices);
      return stream !== null;
    });
    assert.partialDeepStrictEqual(ends.at(-1), {
      finish_reason: "length",
      headgate: { ...named, limit: "0.3" },
    });
    await supervisor.stop();
  } finally {
    await server.close();
    home.remove();
  }
});
