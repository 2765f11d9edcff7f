import { request } from "undici";
import type { GenerationEvent } from "../../worker/wire.ts";
import { PREFILL_CHUNK_TOKENS } from "../../worker/llama/prefill.ts";
import type { EngineFacts, MeasuredEngine, MeasuredRequest, Timing } from "./measured-engine.ts";
import { postForEvents } from "./server-sent-events.ts";

interface Health {
  models: { model: string; context_tokens: number; slots: number; kv_bytes_per_token: number }[];
}

/** In a batch of llama.cpp at most, where nothing else is asked for. */
const BATCH_TOKENS = 512;

/** A worker of ours, over its own wire; null when there is none at this address. Throws when it does not serve the model. */
export async function connectWorker(url: URL, model: string | null): Promise<MeasuredEngine | null> {
  const answer = await request(new URL("/worker/health", url));
  if (answer.statusCode !== 200) {
    await answer.body.dump();
    return null;
  }
  const { models } = (await answer.body.json()) as Health;
  const served =
    model === null && models.length === 1 ? models[0] : models.find((each) => each.model === model);
  if (served === undefined) {
    throw new Error(
      `say which model with --model: ${url.origin} serves ${models.map((each) => each.model).join(", ")}`,
    );
  }
  return new WorkerEngine(url, served);
}

class WorkerEngine implements MeasuredEngine {
  readonly facts: EngineFacts;
  readonly #url: URL;
  readonly #model: string;
  readonly #life = process.pid.toString(36) + Date.now().toString(36);
  #calls = 0;

  constructor(url: URL, served: Health["models"][number]) {
    this.#url = url;
    this.#model = served.model;
    this.facts = {
      description: `${served.model} on an embedded worker`,
      contextTokens: served.context_tokens,
      sequencesMax: served.slots,
      kvTokens: served.context_tokens * served.slots,
      blockTokens: null,
      bytesPerKvToken: served.kv_bytes_per_token,
      batching: {
        kind: "mixed",
        tokensPerStepMax: Math.min(BATCH_TOKENS, served.context_tokens * served.slots),
        promptTokensPerStepMax: PREFILL_CHUNK_TOKENS,
        lastTokenApart: true,
        firstTokensTogether: true,
      },
    };
  }

  async generate({ prompt, outputTokens, signal }: MeasuredRequest): Promise<Timing> {
    const timing: Timing = {
      sentMs: performance.now(),
      arrivedMs: [],
      endedMs: 0,
      promptTokens: 0,
      cachedTokens: 0,
      outputTokens: 0,
    };
    let isDone = false;
    await postForEvents({
      url: new URL("/worker/generate", this.#url),
      headers: {},
      signal,
      body: {
        id: `calibration-${this.#life}-${++this.#calls}`,
        supervisor: "calibration",
        model: this.#model,
        prompt: { text: prompt },
        max_tokens: outputTokens,
        credit: outputTokens,
        sampling: { temperature: 0 },
        ignore_eos: true,
      },
      onEvent: (data) => {
        const event = JSON.parse(data) as GenerationEvent;
        if (event.type === "error") throw new Error(`the engine failed: ${event.message}`);
        if (event.type === "started") {
          timing.promptTokens = event.prompt_tokens;
          timing.cachedTokens = event.cached_tokens;
        }
        if (event.type === "tokens") for (const _ of event.ids) timing.arrivedMs.push(performance.now());
        if (event.type === "done") {
          timing.outputTokens = event.usage.completion_tokens;
          isDone = true;
        }
      },
    });
    timing.endedMs = performance.now();
    if (!isDone) throw new Error("the engine broke off its answer");
    return timing;
  }
}
