import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { kvBytesPerToken } from "../core/fleet/kv.ts";
import type { Engine, EngineCounters, ModelDescription } from "./engine.ts";
import type { GenerationEnd } from "./generation.ts";

/** Bucket bounds in seconds; those of vLLM, so that dashboards made for it fit. */
const TTFT_BUCKETS = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640,
  2560,
];
const TOKEN_BUCKETS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20,
  40, 80,
];

/** What one model's generations report. The functions need no `this`. */
export interface ModelMetrics {
  firstToken: (seconds: number) => void;
  nextToken: (seconds: number) => void;
  /** The prompt is counted with the first choice of its request. */
  ended: (end: GenerationEnd, of: { isFirstChoice: boolean }) => void;
}

/** What runs now, by model. */
export interface SessionCounts {
  activeOf(model: string): number;
  /** Bytes of KV cache set aside. */
  kvBytesOf(model: string): number;
}

/**
 * The worker's Prometheus metrics, under vLLM's names where vLLM has them, so that routers and
 * dashboards made for vLLM read them as they are. Counts the engine keeps anyway are read when
 * somebody asks, and a token costs one histogram entry.
 */
export class WorkerMetrics {
  readonly registry = new Registry();
  readonly #models = new Map<string, ModelMetrics>();
  readonly #prompt: Counter<"model_name">;
  readonly #generation: Counter<"model_name">;
  readonly #success: Counter<"model_name" | "finished_reason">;
  readonly #firstToken: Histogram<"model_name">;
  readonly #interToken: Histogram<"model_name">;
  readonly #perOutputToken: Histogram<"model_name">;

  constructor() {
    const labelNames = ["model_name"] as const;
    const registers = [this.registry];
    this.#prompt = new Counter({
      name: "vllm:prompt_tokens_total",
      help: "Prompt tokens of generations that ended.",
      labelNames,
      registers,
    });
    this.#generation = new Counter({
      name: "vllm:generation_tokens_total",
      help: "Generated tokens of generations that ended.",
      labelNames,
      registers,
    });
    this.#success = new Counter({
      name: "vllm:request_success_total",
      help: "Generations that ended, by reason.",
      labelNames: ["model_name", "finished_reason"],
      registers,
    });
    this.#firstToken = new Histogram({
      name: "vllm:time_to_first_token_seconds",
      help: "From acceptance to the first token.",
      labelNames,
      registers,
      buckets: TTFT_BUCKETS,
    });
    this.#interToken = new Histogram({
      name: "vllm:inter_token_latency_seconds",
      help: "Between two tokens, without pauses for credit or a slow reader.",
      labelNames,
      registers,
      buckets: TOKEN_BUCKETS,
    });
    this.#perOutputToken = new Histogram({
      name: "vllm:request_time_per_output_token_seconds",
      help: "Mean time per token after the first, for each generation.",
      labelNames,
      registers,
      buckets: TOKEN_BUCKETS,
    });
  }

  /** Adds what is read from the engine and the sessions when somebody asks. */
  watch(options: { engine: Engine; sessions: SessionCounts }): void {
    const { engine, sessions } = options;
    const gauge = (name: string, help: string, read: (model: ModelDescription) => number): void =>
      this.#gauge({ name, help, engine, read });
    const usage = (model: ModelDescription): number => sessions.kvBytesOf(model.name) / kvCapacity(model);
    gauge("vllm:num_requests_running", "Generations that run.", ({ name }) => sessions.activeOf(name));
    gauge("vllm:num_requests_waiting", "Always 0: a worker refuses what it cannot run.", () => 0);
    gauge("vllm:kv_cache_usage_perc", "Part of the KV cache that generations have set aside, 0 to 1.", usage);
    gauge("vllm:gpu_cache_usage_perc", "The former name of vllm:kv_cache_usage_perc.", usage);
    const total = (name: string, help: string, counter: keyof EngineCounters): void =>
      this.#total({ name, help, engine, counter });
    total("vllm:prefix_cache_queries_total", "Prompt tokens looked for in kept KV.", "prefixQueryTokens");
    total("vllm:prefix_cache_hits_total", "Prompt tokens found in kept KV.", "prefixHitTokens");
    total("headgate_worker_evaluated_tokens_total", "Tokens computed.", "evaluatedTokens");
  }

  forModel(model: string): ModelMetrics {
    const existing = this.#models.get(model);
    if (existing !== undefined) return existing;
    const made = this.#makeModel(model);
    this.#models.set(model, made);
    return made;
  }

  #makeModel(model: string): ModelMetrics {
    const label = { model_name: model };
    const firstToken = this.#firstToken.labels(label);
    const interToken = this.#interToken.labels(label);
    return {
      firstToken: (seconds) => firstToken.observe(seconds),
      nextToken: (seconds) => interToken.observe(seconds),
      ended: ({ finishReason, usage, generated, decodeSeconds }, { isFirstChoice }) => {
        if (isFirstChoice) this.#prompt.inc(label, usage.prompt_tokens);
        this.#generation.inc(label, generated);
        this.#success.inc({ model_name: model, finished_reason: finishReason });
        if (decodeSeconds === null) return;
        this.#perOutputToken.observe(label, decodeSeconds / (generated - 1));
      },
    };
  }

  #gauge(options: {
    name: string;
    help: string;
    engine: Engine;
    read: (model: ModelDescription) => number;
  }): void {
    const { name, help, engine, read } = options;
    const gauge = new Gauge({
      name,
      help,
      labelNames: ["model_name"],
      registers: [],
      collect: () => {
        for (const { description } of engine.models) {
          gauge.set({ model_name: description.name }, read(description));
        }
      },
    });
    this.registry.registerMetric(gauge);
  }

  #total(options: { name: string; help: string; engine: Engine; counter: keyof EngineCounters }): void {
    const { name, help, engine, counter } = options;
    const total = new Counter({
      name,
      help,
      labelNames: ["model_name"],
      registers: [],
      collect: () => {
        total.reset();
        for (const model of engine.models) {
          total.inc({ model_name: model.description.name }, model.counters[counter]);
        }
      },
    });
    this.registry.registerMetric(total);
  }
}

/** Bytes of the cells that were allocated at load. */
function kvCapacity({ slots, contextTokens, kv }: ModelDescription): number {
  return slots * contextTokens * kvBytesPerToken(kv);
}
