import { assert } from "../../core/assert.ts";
import type { CacheReport } from "../../core/events.ts";

/** A block of some prompt's beginning that is computed and may be used again. */
interface CachedBlock {
  readonly hash: number;
  /** Sequences that use it. */
  users: number;
}

/** What one sequence holds of the cache. */
export interface KvHold {
  /** Leading blocks of its prompt that it shares with whoever has the same beginning. */
  readonly shared: CachedBlock[];
  /** Blocks of its own. */
  blocks: number;
}

/** Changes not reported, beyond which it is shorter to report all. */
const CHANGES_MAX = 10_000;

/**
 * An engine's KV cache: blocks of equal size, held by running sequences or kept for those to come. A prompt's beginning
 * that nobody uses any more stays until its room is needed, the one used longest ago goes first.
 *
 * ```
 *            computed, and nobody has it yet           last user ends
 *   own ───────────────────────────────────▶ shared ──────────────────▶ idle ──▶ evicted, when room is needed
 *                                              ▲                          │
 *                                              └──── hit at admission ────┘
 * ```
 */
export class KvCache {
  readonly capacity: number;
  readonly #blockTokens: number;
  readonly #isShared: boolean;
  readonly #known = new Map<number, CachedBlock>();
  /** Of those known, the ones without users, by the time they became so. */
  readonly #idle = new Map<number, CachedBlock>();
  /** Engine blocks in one hashed block. */
  #perHash = 1;
  #own = 0;
  readonly #stored = new Set<number>();
  readonly #removed = new Set<number>();
  #isUntold = false;

  constructor(options: { tokens: number; blockTokens: number; prefixCache: boolean }) {
    this.#blockTokens = options.blockTokens;
    this.capacity = Math.floor(options.tokens / options.blockTokens);
    this.#isShared = options.prefixCache;
  }

  /** Blocks that sequences hold. */
  get used(): number {
    return this.#own + (this.#known.size - this.#idle.size) * this.#perHash;
  }

  /** Blocks that can be had, if need be by forgetting what nobody uses. */
  get available(): number {
    return this.capacity - this.used;
  }

  /** Hashed blocks that are there. */
  get hashes(): Iterable<number> {
    return this.#known.keys();
  }

  /** Leading blocks of a prompt that are there. */
  matching(hashes: readonly number[]): number {
    if (!this.#isShared) return 0;
    let count = 0;
    while (count < hashes.length && this.#known.has(hashes[count]!)) count++;
    return count;
  }

  /** How many of them nobody uses: to use them takes room that is counted as available. */
  idleAmong(hashes: readonly number[], count: number): number {
    let idle = 0;
    for (let i = 0; i < count; i++) if (this.#idle.has(hashes[i]!)) idle++;
    return idle * this.#perHash;
  }

  /** Says how many tokens a hashed block has; all prompts of an engine have the same. Whole engine blocks only. */
  useHashesOf(hashTokens: number): void {
    const perHash = hashTokens / this.#blockTokens;
    assert(
      Number.isInteger(perHash),
      `blocks of ${hashTokens} tokens are whole blocks of ${this.#blockTokens}`,
    );
    assert(perHash === this.#perHash || this.#known.size === 0, "hashed blocks have one size");
    this.#perHash = perHash;
  }

  /** Shares the leading blocks that are there. */
  share(hold: KvHold, hashes: readonly number[], count: number): void {
    for (let i = 0; i < count; i++) {
      const block = this.#known.get(hashes[i]!)!;
      if (block.users++ === 0) this.#idle.delete(block.hash);
      hold.shared.push(block);
    }
  }

  /** Makes the sequence's own blocks as many as that. The caller has seen that there is room. */
  resize(hold: KvHold, blocks: number): void {
    this.#own += blocks - hold.blocks;
    hold.blocks = blocks;
    this.#makeRoom();
  }

  /** The next blocks of the prompt are computed: others may use them from now on. Returns how many became shared. */
  publish(hold: KvHold, hashes: readonly number[], computed: number): number {
    if (!this.#isShared) return 0;
    let count = 0;
    while (hold.shared.length < computed) {
      const hash = hashes[hold.shared.length]!;
      // Somebody else has computed the same at the same time: this one and what follows stay the sequence's own.
      if (this.#known.has(hash)) break;
      const block = { hash, users: 1 };
      this.#known.set(hash, block);
      this.#note(hash, this.#stored, this.#removed);
      hold.shared.push(block);
      hold.blocks -= this.#perHash;
      this.#own -= this.#perHash;
      count++;
    }
    return count;
  }

  /** The sequence has ended, or has to begin again. What it shared is kept, its end first to be forgotten. */
  release(hold: KvHold): void {
    this.#own -= hold.blocks;
    hold.blocks = 0;
    for (let i = hold.shared.length - 1; i >= 0; i--) {
      const block = hold.shared[i]!;
      if (--block.users === 0) this.#idle.set(block.hash, block);
    }
    hold.shared.length = 0;
  }

  /** Power off. */
  clear(): void {
    this.#known.clear();
    this.#idle.clear();
    this.#own = 0;
    this.#stored.clear();
    this.#removed.clear();
  }

  /** What has changed since it was last asked for; null where that is too much to say. */
  takeChanges(): Pick<CacheReport, "stored" | "removed"> | null {
    const changes = this.#isUntold ? null : { stored: [...this.#stored], removed: [...this.#removed] };
    this.#isUntold = false;
    this.#stored.clear();
    this.#removed.clear();
    return changes;
  }

  #makeRoom(): void {
    const most = this.capacity - this.#own;
    while (this.#known.size * this.#perHash > most) {
      const oldest = this.#idle.keys().next();
      assert(!oldest.done, "running sequences fit into the KV cache");
      this.#idle.delete(oldest.value);
      this.#known.delete(oldest.value);
      this.#note(oldest.value, this.#removed, this.#stored);
    }
  }

  /** What came and went since the last report is not worth mentioning. */
  #note(hash: number, to: Set<number>, from: Set<number>): void {
    if (this.#isUntold) return;
    if (!from.delete(hash)) to.add(hash);
    if (to.size <= CHANGES_MAX) return;
    this.#isUntold = true;
    this.#stored.clear();
    this.#removed.clear();
  }
}
