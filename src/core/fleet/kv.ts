/** The dimensions of a model that decide the size of its KV cache, and of the cells it is kept in. */
export interface KvShape {
  layers: number;
  /** Heads of keys and values: fewer than attention heads with grouped-query attention. */
  kvHeads: number;
  /** Width of one key head and of one value head. */
  keyLength: number;
  valueLength: number;
  /** Bytes of one cached number, 2 for F16. Block formats such as Q8_0 have a fraction: 34 bytes for 32. */
  keyBytes: number;
  valueBytes: number;
}

/** KV cache of one token in one sequence: layers × KV heads × (key + value), in bytes. */
export function kvBytesPerToken(shape: KvShape): number {
  const { layers, kvHeads, keyLength, valueLength, keyBytes, valueBytes } = shape;
  return layers * kvHeads * (keyLength * keyBytes + valueLength * valueBytes);
}

/**
 * What a generation may come to hold: its prompt and its whole answer, as far as the context
 * reaches. Supervisor and worker both count a session's KV cache with this function.
 */
export function sessionKvBytes(options: {
  promptTokens: number;
  maxTokens: number;
  contextTokens: number;
  bytesPerToken: number;
}): number {
  const tokens = Math.min(options.promptTokens + options.maxTokens, options.contextTokens);
  return Math.ceil(tokens * options.bytesPerToken);
}
