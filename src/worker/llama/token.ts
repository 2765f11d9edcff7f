import type { Token } from "node-llama-cpp";

/** The library brands token ids; outside this folder they are plain numbers. */
export function toTokens(ids: readonly number[]): Token[] {
  return ids as unknown as Token[];
}
