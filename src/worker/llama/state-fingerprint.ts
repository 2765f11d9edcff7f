import type { LlamaContext } from "node-llama-cpp";
import { GgmlType } from "node-llama-cpp";

/** Digits of the model's hash that the fingerprint shows. */
const HASH_DIGITS = 24;

/**
 * Everything that has to be equal in two contexts for KV state to go from one into the other, as
 * a text without spaces: model, build of llama.cpp, number of sequences, types of the cells, and
 * flash attention, with which values are laid out in another way.
 */
export function stateFingerprint(options: {
  modelHash: string;
  context: LlamaContext;
  sequences: number;
}): string {
  const { modelHash, context, sequences } = options;
  const { llama } = context.model;
  const hash = modelHash.slice(modelHash.indexOf(":") + 1).slice(0, HASH_DIGITS);
  const build = `${llama.llamaCppRelease.release}-${llama.buildType}-${llama.gpu === false ? "cpu" : llama.gpu}`;
  const cells = `${GgmlType[context.kvCacheKeyType]}-${GgmlType[context.kvCacheValueType]}`;
  return ["kv1", hash, build, `seq${sequences}`, cells, `fa-${context.flashAttention}`].join("/");
}
