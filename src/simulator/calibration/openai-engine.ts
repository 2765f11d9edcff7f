import { request } from "undici";
import type { EngineFacts, MeasuredEngine, MeasuredRequest, Timing } from "./measured-engine.ts";
import { postForEvents, RefusedError } from "./server-sent-events.ts";

interface Chunk {
  choices?: { delta?: { content?: string | null } }[];
  usage?: {
    prompt_tokens?: number;
    completion_tokens?: number;
    prompt_tokens_details?: { cached_tokens?: number } | null;
  } | null;
  error?: { message?: string };
}

/** Any server of OpenAI's interface, by streaming chat completions; vLLM says more of itself. */
export async function connectOpenAi(
  url: URL,
  { model, key }: { model: string | null; key: string | undefined },
): Promise<MeasuredEngine> {
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const answer = await request(new URL("/v1/models", url), { headers });
  if (answer.statusCode !== 200) throw new RefusedError(answer.statusCode, await answer.body.text());
  const { data } = (await answer.body.json()) as { data: { id: string; max_model_len?: number }[] };
  const served = model === null && data.length === 1 ? data[0] : data.find(({ id }) => id === model);
  if (served === undefined) {
    throw new Error(
      `say which model with --model: ${url.origin} serves ${data.map(({ id }) => id).join(", ")}`,
    );
  }
  const cache = await cacheOfVllm(url, headers);
  return new OpenAiEngine({
    url,
    headers,
    model: served.id,
    facts: {
      description: `${served.id} on a server of OpenAI's interface`,
      contextTokens: served.max_model_len ?? null,
      sequencesMax: null,
      kvTokens: cache === null ? null : cache.blockTokens * cache.blocks,
      blockTokens: cache?.blockTokens ?? null,
      bytesPerKvToken: null,
      batching: null,
    },
  });
}

/** vLLM gives the size of its KV cache as labels of a metric. */
async function cacheOfVllm(
  url: URL,
  headers: Record<string, string>,
): Promise<{ blockTokens: number; blocks: number } | null> {
  const answer = await request(new URL("/metrics", url), { headers });
  const text = await answer.body.text();
  const labels = /^vllm:cache_config_info\{([^}]*)\}/m.exec(text)?.[1] ?? "";
  const blockTokens = Number(/\bblock_size="(\d+)"/.exec(labels)?.[1]);
  const blocks = Number(/\bnum_gpu_blocks="(\d+)"/.exec(labels)?.[1]);
  return blockTokens > 0 && blocks > 0 ? { blockTokens, blocks } : null;
}

class OpenAiEngine implements MeasuredEngine {
  readonly facts: EngineFacts;
  readonly #url: URL;
  readonly #headers: Record<string, string>;
  readonly #model: string;
  /** Not of OpenAI's interface, but self-hosted servers know it; left away once it was refused. */
  #ignoreEnd: { ignore_eos?: true } = { ignore_eos: true };

  constructor(given: { url: URL; headers: Record<string, string>; model: string; facts: EngineFacts }) {
    this.#url = given.url;
    this.#headers = given.headers;
    this.#model = given.model;
    this.facts = given.facts;
  }

  async generate(asked: MeasuredRequest): Promise<Timing> {
    try {
      return await this.#stream(asked);
    } catch (error) {
      if (
        !(error instanceof RefusedError) ||
        error.status !== 400 ||
        this.#ignoreEnd.ignore_eos === undefined
      )
        throw error;
      this.#ignoreEnd = {};
      return this.#stream(asked);
    }
  }

  async #stream({ prompt, outputTokens, signal }: MeasuredRequest): Promise<Timing> {
    const timing: Timing = {
      sentMs: performance.now(),
      arrivedMs: [],
      endedMs: 0,
      promptTokens: 0,
      cachedTokens: 0,
      outputTokens: 0,
    };
    await postForEvents({
      url: new URL("/v1/chat/completions", this.#url),
      headers: this.#headers,
      signal,
      body: {
        model: this.#model,
        messages: [{ role: "user", content: prompt }],
        max_tokens: outputTokens,
        temperature: 0,
        stream: true,
        stream_options: { include_usage: true },
        ...this.#ignoreEnd,
      },
      onEvent: (data) => {
        if (data === "[DONE]") return;
        const { choices = [], usage, error } = JSON.parse(data) as Chunk;
        if (error !== undefined)
          throw new Error(`the engine failed: ${error.message ?? "it does not say why"}`);
        if (choices.some(({ delta }) => (delta?.content ?? "") !== ""))
          timing.arrivedMs.push(performance.now());
        if (usage === null || usage === undefined) return;
        timing.promptTokens = usage.prompt_tokens ?? 0;
        timing.outputTokens = usage.completion_tokens ?? 0;
        timing.cachedTokens = usage.prompt_tokens_details?.cached_tokens ?? 0;
      },
    });
    timing.endedMs = performance.now();
    if (timing.promptTokens === 0) throw new Error("the engine does not say how many tokens it used");
    return timing;
  }
}
