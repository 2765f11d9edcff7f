import type { Engine } from "../engine.ts";
import { blockHashes } from "./blocks.ts";

/** More are not told of; those unused for the longest time are left out. */
export const BLOCKS_MAX = 10_000;

/**
 * Which prefixes a prompt would find here now: hashes of the blocks that idle slots keep. Nothing
 * is done about a token as it comes; somebody asks, and slots that changed are hashed then.
 */
export class ResidentBlocks {
  readonly #engine: Engine;
  /** By the array of tokens that a slot keeps. */
  readonly #hashes = new WeakMap<readonly number[], readonly number[]>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  now(): Set<number> {
    const blocks = new Set<number>();
    const slots = this.#engine.models
      .flatMap((model) => model.idle().map((slot) => ({ slot, modelHash: model.description.modelHash })))
      .sort((a, b) => b.slot.idleSinceMs - a.slot.idleSinceMs);
    for (const { slot, modelHash } of slots) {
      for (const block of this.#of(slot.tokens, modelHash)) {
        if (blocks.size >= BLOCKS_MAX) return blocks;
        blocks.add(block);
      }
    }
    return blocks;
  }

  #of(tokens: readonly number[], modelHash: string): readonly number[] {
    const known = this.#hashes.get(tokens);
    if (known !== undefined) return known;
    const hashes = blockHashes(modelHash, tokens);
    this.#hashes.set(tokens, hashes);
    return hashes;
  }
}
