import { BlockLru } from "../../core/placement/signals/block-lru.ts";
import type { Workload } from "./workload.ts";

/** What one cache of prefix blocks would have had of a workload's prompts. */
export interface BlockHits {
  blocks: number;
  hits: number;
  /** hits / blocks, in [0, 1]; NaN for a workload without blocks. */
  share: number;
}

/**
 * Counts block hits in a cache of so many blocks, of which the least recently used goes first; Infinity for one that never
 * forgets. A request's blocks are touched in the order of their chain, and those hit are the leading run that is present.
 */
export function blockHits({ requests }: Pick<Workload, "requests">, capacityBlocks: number): BlockHits {
  const cache = new BlockLru(capacityBlocks);
  let blocks = 0;
  let hits = 0;
  for (const request of requests) {
    blocks += request.blocks.length;
    hits += cache.touch(request.blocks);
  }
  return { blocks, hits, share: hits / blocks };
}
