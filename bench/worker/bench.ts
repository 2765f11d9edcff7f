import { fileURLToPath } from "node:url";
import { Pool } from "undici";
import { type Child, Children } from "../child.ts";
import { figure, type Figure, type Report } from "../figures.ts";
import { interleave } from "../interleave.ts";
import type { Size } from "../sizes.ts";
import { inLanes, SAMPLING, type Setup, type Work } from "./prompts.ts";

const SPEED_RATIO_MIN = 0.95;
const SLOTS = 32;
const CONTEXT_TOKENS = 512;
/** The demo models are fastest with one; with more, llama.cpp's threads mostly wait for each other. */
const THREADS = 1;
const MS_PER_SECOND = 1_000;

const SIDES = ["direct", "worker"] as const;
type Side = (typeof SIDES)[number];

/** Tokens a second of an embedded worker, over HTTP, beside the library that it is built on. */
export async function benchWorker({ rounds, worker: size }: Size): Promise<Report> {
  const figures: Figure[] = [];
  for (const name of size.models) {
    const setup: Setup = {
      name,
      path: fileURLToPath(new URL(`../../models/${name}.gguf`, import.meta.url)),
      slots: SLOTS,
      contextTokens: CONTEXT_TOKENS,
      threads: THREADS,
    };
    await using children = new Children();
    const options = { arguments: [JSON.stringify(setup)] };
    const served = await children.start(new URL("served.ts", import.meta.url), options);
    const direct = await children.start(new URL("direct.ts", import.meta.url), options);
    const http = new Pool(served.url, { connections: null, headersTimeout: 0, bodyTimeout: 0 });
    const generate: Record<Side, (work: Work) => Promise<unknown>> = {
      direct: (work) => direct.ask("generate", work),
      worker: (work) => generateOverHttp(http, name, work),
    };
    let firstPrompt = 0;
    for (const load of size.loads) {
      const work = { ...load, tokens: size.tokens };
      const measured = await interleave(rounds, SIDES, async (side) => {
        firstPrompt += load.lanes * load.requestsEach;
        const child = side === "direct" ? direct : served;
        return speedOf(child, load.lanes * load.requestsEach * size.tokens, () =>
          generate[side]({ ...work, firstPrompt }),
        );
      });
      figures.push(...figuresOf(`${name}, ${load.lanes} at a time`, measured));
    }
    await http.destroy();
  }
  return { bench: "worker", figures };
}

interface Speed {
  tokensPerSecond: number;
  cpuUsPerToken: number;
}

async function speedOf(child: Child, tokens: number, generate: () => Promise<unknown>): Promise<Speed> {
  const beforeUs = await child.cpuUs();
  const startMs = performance.now();
  await generate();
  const seconds = (performance.now() - startMs) / MS_PER_SECOND;
  return {
    tokensPerSecond: tokens / seconds,
    cpuUsPerToken: ((await child.cpuUs()) - beforeUs) / tokens,
  };
}

function figuresOf(load: string, measured: Record<Side, Speed[]>): Figure[] {
  const each = (read: (speed: Speed) => number): Record<Side, number[]> => ({
    direct: measured.direct.map(read),
    worker: measured.worker.map(read),
  });
  const formula = "worker / direct";
  const of = ({ worker, direct }: Record<Side, number>): number => worker / direct;
  return [
    figure({
      what: `${load}: speed`,
      unit: "tokens/s",
      rounds: each(({ tokensPerSecond }) => tokensPerSecond),
      verdict: { formula, of, aim: { at: "least", bound: SPEED_RATIO_MIN } },
    }),
    figure({
      what: `${load}: CPU per token`,
      unit: "µs",
      rounds: each(({ cpuUsPerToken }) => cpuUsPerToken),
      verdict: { formula, of, aim: null },
    }),
  ];
}

let generations = 0;

function generateOverHttp(http: Pool, model: string, work: Work): Promise<void> {
  const { tokens } = work;
  return inLanes(work, async (_lane, prompt) => {
    const { statusCode, body } = await http.request({
      method: "POST",
      path: "/worker/generate",
      body: JSON.stringify({
        id: `bench-${++generations}`,
        supervisor: "bench",
        model,
        prompt: { tokens: prompt },
        max_tokens: tokens,
        credit: tokens,
        sampling: SAMPLING,
        ignore_eos: true,
      }),
    });
    const text = await body.text();
    const isWhole = statusCode === 200 && text.includes(`"completion_tokens":${tokens}`);
    if (!isWhole) throw new Error(`the worker answered ${statusCode} ${text.slice(-200)}`);
  });
}
