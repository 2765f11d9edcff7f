import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { ScriptedServer } from "../fakes/scripted-server.ts";
import { until } from "../system/headgate.ts";
import { MODEL, type SupervisorProcess, sumUp, SupervisorHome } from "./supervisor-process.ts";

const ACCOUNT = "global/local";
/** At 1 USD for a million, in nano-USD. */
const TOKEN = 1_000n;

function clientOf({ url }: SupervisorProcess): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: "unused", maxRetries: 0 });
}

function question(maxTokens: number): OpenAI.ChatCompletionCreateParamsStreaming & { ignore_eos: true } {
  return {
    model: MODEL,
    messages: [{ role: "user", content: "What is the capital of France?" }],
    max_tokens: maxTokens,
    stream: true,
    stream_options: { include_usage: true },
    ignore_eos: true,
  };
}

async function workerUrl({ url }: SupervisorProcess): Promise<string> {
  const response = await fetch(`${url}/coordinator/health/workers`);
  const { workers } = (await response.json()) as { workers: { url: string }[] };
  return workers[0]!.url;
}

async function isReady({ url }: SupervisorProcess): Promise<boolean> {
  return (await fetch(`${url}/readyz`)).ok;
}

const REAL_WORKER = { workers: [{ id: "w1", models: [MODEL], threads: 1 }], budgets: { packet_tokens: 8 } };

test("a budget that ends in mid-stream ends the stream at that token, and says whose it is", async () => {
  const home = new SupervisorHome(REAL_WORKER);
  try {
    home.setLimit({ account: ACCOUNT, unit: "usd", window: "total", amount: String(21n * TOKEN) });
    const supervisor = await home.start();
    await until(() => isReady(supervisor));
    let end: OpenAI.ChatCompletionChunk.Choice | undefined;
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of await clientOf(supervisor).chat.completions.create(question(100))) {
      if (chunk.choices[0]?.finish_reason) end = chunk.choices[0];
      usage = chunk.usage;
    }
    assert.equal(end?.finish_reason, "length");
    assert.partialDeepStrictEqual(end, {
      headgate: { reason: "budget_exhausted", account: ACCOUNT, unit: "usd" },
    });
    assert.equal(usage?.completion_tokens, 21);
    assert.partialDeepStrictEqual(usage, { cost_usd: 0.000021 });
    await supervisor.stop();
    const { posted, held, peak } = sumUp(home.entries(), ACCOUNT);
    assert.deepEqual({ posted, held, peak }, { posted: 21n * TOKEN, held: 0n, peak: 21n * TOKEN });
  } finally {
    home.remove();
  }
});

test("a client that leaves in mid-stream pays for what was generated until then, and for no more", async () => {
  const home = new SupervisorHome(REAL_WORKER);
  try {
    home.setLimit({ account: ACCOUNT, unit: "usd", window: "total", amount: String(1_000_000n * TOKEN) });
    const supervisor = await home.start();
    await until(() => isReady(supervisor));
    let seen = 0;
    const stream = await clientOf(supervisor).chat.completions.create(question(400));
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content) seen++;
      if (seen === 10) break;
    }
    await until(() => sumUp(home.entries(), ACCOUNT).completed === 1);
    const { posted, held } = sumUp(home.entries(), ACCOUNT);
    assert.equal(held, 0n);
    const charged = Number(posted / TOKEN);
    const worker = await workerUrl(supervisor);
    // The worker counts a generation that has ended, and with it the last token it had under way.
    await until(async () => (await generatedTokens(worker)) >= charged);
    const generated = await generatedTokens(worker);
    assert(
      seen <= charged && charged <= generated,
      `${seen} seen, ${charged} charged, ${generated} generated`,
    );
    assert(generated < 400, "generation has stopped");
    await supervisor.stop();
  } finally {
    home.remove();
  }
});

async function generatedTokens(worker: string): Promise<number> {
  const metrics = await (await fetch(`${worker}/metrics`)).text();
  return Number(/^vllm:generation_tokens_total\{[^}]*\} (\d+)$/m.exec(metrics)?.[1] ?? 0);
}

test("a provider that bills more than its maximum leaves an overage, which the next request feels", async () => {
  const provider = await ScriptedServer.start();
  const remote = { name: "cloud", url: `${provider.url}/v1`, models: { big: "big-1" } };
  const home = new SupervisorHome({
    models: {},
    aliases: {},
    remotes: [remote],
    prices: { big: { input: 0, output: 1 } },
  });
  try {
    home.setLimit({ account: ACCOUNT, unit: "usd", window: "total", amount: String(25n * TOKEN) });
    const supervisor = await home.start();
    const client = clientOf(supervisor);
    const ask = (): Promise<OpenAI.ChatCompletion> => {
      return client.chat.completions.create({
        model: "big",
        max_tokens: 10,
        messages: [{ role: "user", content: "Hello" }],
      });
    };
    const bill = async (completionTokens: number): Promise<void> => {
      const call = await provider.next();
      assert.equal(call.body["max_tokens"], 10);
      call.json(200, {
        id: "x",
        object: "chat.completion",
        created: 1,
        model: "big-1",
        choices: [{ index: 0, message: { role: "assistant", content: "Hi" }, finish_reason: "stop" }],
        usage: { prompt_tokens: 5, completion_tokens: completionTokens, total_tokens: 5 + completionTokens },
      });
    };
    const [, first] = await Promise.all([bill(18), ask().catch((error: unknown) => error)]);
    // 10 were held, and 18 are charged: 7 are left, and the next one needs 10.
    assert(first !== undefined);
    await assert.rejects(ask(), (error: unknown) => {
      assert(error instanceof OpenAI.APIError);
      assert.equal(error.status, 402);
      assert.partialDeepStrictEqual(error.error, {
        code: "budget_insufficient",
        account: ACCOUNT,
        remaining: "0.000007",
      });
      return true;
    });
    await supervisor.stop();
    const entries = home.entries();
    assert.equal(sumUp(entries, ACCOUNT).posted, 18n * TOKEN);
    const overages = entries.flatMap(({ overage }) => (overage === null ? [] : [overage.nanoUsd]));
    assert.deepEqual(overages, [8 * Number(TOKEN)]);
  } finally {
    await provider.close();
    home.remove();
  }
});

test("a supervisor that is killed charges what was under way in full, and its worker's receipt corrects that", async () => {
  const home = new SupervisorHome(REAL_WORKER);
  try {
    home.setLimit({ account: ACCOUNT, unit: "usd", window: "total", amount: String(1_000_000n * TOKEN) });
    const first = await home.start();
    await until(() => isReady(first));
    const stream = await clientOf(first).chat.completions.create(question(400));
    let seen = 0;
    await assert.rejects(async () => {
      for await (const chunk of stream)
        if (chunk.choices[0]?.delta.content && ++seen === 10) await first.kill();
    });
    assert(seen >= 10);

    const second = await home.start();
    await until(() => home.entries().some(({ operation }) => operation === "adjust"));
    const entries = home.entries();
    const { posted, held, inDoubt } = sumUp(entries, ACCOUNT);
    assert.equal(held, 0n);
    assert(inDoubt >= posted && posted >= BigInt(seen) * TOKEN, `${seen} seen, ${posted} charged in the end`);
    await second.stop();
  } finally {
    home.remove();
  }
});
