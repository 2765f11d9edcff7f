import type { LlamaModel } from "node-llama-cpp";

/**
 * For GPUs. On a CPU it is slower the longer the context is: at 400 tokens a model of 4 M
 * parameters decoded 220 tokens a second with it and 600 without, on one thread.
 */
export function flashAttention(model: LlamaModel): "auto" | false {
  return model.llama.gpu === false ? false : "auto";
}
