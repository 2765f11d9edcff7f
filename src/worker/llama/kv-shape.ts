import { GgmlType } from "node-llama-cpp";
import type { KvShape } from "../../core/fleet/kv.ts";

/** The part of a GGUF file's metadata that decides the size of the KV cache. */
export interface AttentionMetadata {
  block_count?: number | undefined;
  embedding_length?: number | undefined;
  attention?:
    | {
        head_count?: number | readonly number[] | undefined;
        head_count_kv?: number | readonly number[] | undefined;
        key_length?: number | undefined;
        value_length?: number | undefined;
      }
    | undefined;
}

/** Bytes of one number in a cell: block formats spread the bytes of a block over its numbers. */
const CELL_BYTES: Partial<Record<GgmlType, number>> = {
  [GgmlType.F32]: 4,
  [GgmlType.F16]: 2,
  [GgmlType.BF16]: 2,
  [GgmlType.Q8_0]: 34 / 32,
  [GgmlType.Q5_1]: 24 / 32,
  [GgmlType.Q5_0]: 22 / 32,
  [GgmlType.Q4_1]: 20 / 32,
  [GgmlType.Q4_0]: 18 / 32,
};

/**
 * Dimensions of the KV cache, with the defaults of llama.cpp where the file names none: as many
 * KV heads as heads, and heads that divide the embedding evenly.
 */
export function readKvShape(options: {
  metadata: AttentionMetadata;
  keyType: GgmlType;
  valueType: GgmlType;
}): KvShape {
  const { metadata, keyType, valueType } = options;
  const layers = metadata.block_count;
  const heads = metadata.attention?.head_count;
  if (layers === undefined || heads === undefined) {
    throw new Error("The model file does not say how many layers and attention heads it has.");
  }
  const kvHeads = metadata.attention?.head_count_kv ?? heads;
  const headLength = (metadata.embedding_length ?? 0) / maximum(heads);
  return {
    // Files may list the heads of each layer; the cache holds their sum.
    ...(typeof kvHeads === "number" ? { layers, kvHeads } : { layers: 1, kvHeads: sum(kvHeads) }),
    keyLength: metadata.attention?.key_length ?? headLength,
    valueLength: metadata.attention?.value_length ?? headLength,
    keyBytes: cellBytes(keyType),
    valueBytes: cellBytes(valueType),
  };
}

function cellBytes(type: GgmlType): number {
  const bytes = CELL_BYTES[type];
  if (bytes === undefined) throw new Error(`KV cells of type ${GgmlType[type]} are not supported.`);
  return bytes;
}

function maximum(value: number | readonly number[]): number {
  return typeof value === "number" ? value : Math.max(...value);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
