/**
 * node-llama-cpp with nothing around it: tokens are counted and thrown away. Its one argument is the
 * setup, as JSON; the question `generate` takes a `Work`. Batches are put together in the worker's
 * own order, so that both sides evaluate the same batches.
 */
import { getLlama, type LlamaContextSequence, LlamaLogLevel, type Token } from "node-llama-cpp";
import { inSequenceOrder, prioritySlot } from "../../src/worker/llama/batch-order.ts";
import { serveParent } from "../child.ts";
import { inLanes, SAMPLING, type Setup, type Work } from "./prompts.ts";

const setup = JSON.parse(process.argv[2]!) as Setup;
const llama = await getLlama({
  gpu: false,
  build: "never",
  skipDownload: true,
  maxThreads: 0,
  logLevel: LlamaLogLevel.error,
});
const model = await llama.loadModel({ modelPath: setup.path });
const context = await model.createContext({
  sequences: setup.slots,
  contextSize: setup.contextTokens,
  threads: setup.threads,
  swaFullCache: true,
  flashAttention: false,
  batching: { itemPrioritizationStrategy: inSequenceOrder },
});
const sequences = Array.from({ length: setup.slots }, () => context.getSequence());

serveParent("", {
  generate: async (work) => {
    const { tokens } = work as Work;
    await inLanes(work as Work, (lane, prompt) => answer(lane, prompt as Token[], tokens));
  },
});

async function answer(lane: number, prompt: Token[], tokens: number): Promise<void> {
  const sequence: LlamaContextSequence = sequences[lane]!;
  const evaluationPriority = prioritySlot(lane);
  await sequence.clearHistory();
  await sequence.evaluateWithoutGeneratingNewTokens(prompt.slice(0, -1), { evaluationPriority });
  const generated = sequence.evaluate(prompt.slice(-1), {
    ...SAMPLING,
    topP: 1,
    topK: 0,
    minP: 0,
    yieldEogToken: true,
    evaluationPriority,
  });
  for (let i = 0; i < tokens; i++) await generated.next();
  await generated.return();
}
