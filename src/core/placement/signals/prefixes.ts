import type { Endpoint } from "../../fleet/endpoint.ts";
import type { Worker } from "../../fleet/worker.ts";
import type { CacheReport } from "../../events.ts";
import type { Micros } from "../../units.ts";
import { CacheIndex } from "./cache-index.ts";

/**
 * Which prefixes are cached where, told in two ways.
 *
 * - *Sent*: each endpoint is taken to hold what it was sent last, up to the size of its KV cache.
 * - *Held*: what workers report of their caches, and besides what they were sent since. Believed only while
 *   the reports are complete and recent:
 * ```
 *   silent ──report 0──▶ believed ──report n+1──▶ believed
 *     ▲                     │
 *     └── a report missed ──┴── none for `trustUs` (believed again with the next in order)
 * ```
 * Each of the two remembers at most `blocksMax` blocks over all endpoints: about 150 bytes × 2 × `blocksMax`.
 */
export class Prefixes {
  readonly #blockTokens: number;
  readonly #trustUs: Micros;
  readonly #sent: CacheIndex;
  readonly #held: CacheIndex;
  readonly #workers = new Map<Worker, KnownWorker>();
  readonly #sentMatch: Match;
  readonly #heldMatch: Match;

  constructor(options: { blockTokens: number; blocksMax: number; trustUs: Micros }) {
    this.#blockTokens = options.blockTokens;
    this.#trustUs = options.trustUs;
    this.#sent = new CacheIndex(options.blocksMax);
    this.#held = new CacheIndex(options.blocksMax);
    this.#sentMatch = new Match(this.#sent);
    this.#heldMatch = new Match(this.#held);
  }

  /** Blocks remembered, of both kinds. */
  get size(): number {
    return this.#sent.size + this.#held.size;
  }

  /** How many blocks the chain begins with that the endpoint was sent and can still have. */
  sentRun({ load }: Endpoint, chain: readonly number[]): number {
    return load.sentSlot < 0 || chain.length === 0 ? 0 : this.#sentMatch.runs(chain)[load.sentSlot]!;
  }

  /** The same by what its worker says that it holds; null when that is not to be believed. */
  heldRun({ load }: Endpoint, chain: readonly number[], nowUs: Micros): number | null {
    if (nowUs - load.heldUs > this.#trustUs) return null;
    return chain.length === 0 ? 0 : this.#heldMatch.runs(chain)[load.heldSlot]!;
  }

  /** The endpoint is sent a prompt, and will hold it. */
  sent(endpoint: Endpoint, chain: readonly number[], nowUs: Micros): void {
    if (chain.length === 0) return;
    const { load, worker } = endpoint;
    const known = this.#know(worker);
    const capacity = blocksOf(endpoint, this.#blockTokens);
    if (load.sentSlot < 0) {
      load.sentSlot = this.#sent.open(capacity);
      known.endpoints.add(endpoint);
    } else {
      this.#sent.resize(load.sentSlot, capacity);
    }
    for (const block of chain) this.#sent.use(load.sentSlot, block);
    if (known.heldSlot >= 0) {
      for (const block of chain) {
        if (!this.#held.has(known.heldSlot, block)) known.expected.set(block, nowUs);
        this.#held.use(known.heldSlot, block);
      }
    }
    this.#changed();
  }

  /** A prompt that was sent there was not read to its end: nothing new can be expected of it. */
  unread(endpoint: Endpoint, chain: readonly number[]): void {
    const known = this.#workers.get(endpoint.worker);
    if (known === undefined) return;
    for (const block of chain) {
      if (known.expected.delete(block)) this.#held.remove(known.heldSlot, block);
    }
    this.#changed();
  }

  /** The worker reports on itself, and perhaps on its cache. */
  reported(worker: Worker, report: CacheReport | null, nowUs: Micros): void {
    const known = this.#workers.get(worker);
    // Models it no longer serves, and nothing runs of.
    for (const endpoint of known?.endpoints ?? []) {
      if (!worker.endpoints.includes(endpoint)) this.#close(known!, endpoint);
    }
    if (report !== null) this.#take(worker, report, nowUs);
    else if (known !== undefined) this.#trim(known, nowUs);
  }

  /** Its cache is gone. */
  forgot(worker: Worker): void {
    const known = this.#workers.get(worker);
    if (known === undefined) return;
    for (const endpoint of known.endpoints) this.#close(known, endpoint);
    if (known.heldSlot >= 0) this.#held.close(known.heldSlot);
    this.#believe(worker, { slot: -1, untilUs: -Infinity });
    this.#workers.delete(worker);
    this.#changed();
  }

  #take(worker: Worker, { sequence, stored, removed }: CacheReport, nowUs: Micros): void {
    const known = this.#know(worker);
    if (sequence !== 0 && sequence !== known.sequence + 1) {
      // What a report that never came said is not known: all is in doubt until one says all there is.
      known.sequence = -1;
      this.#trim(known, nowUs);
      this.#believe(worker, { slot: known.heldSlot, untilUs: -Infinity });
      return;
    }
    known.sequence = sequence;
    if (known.heldSlot < 0) known.heldSlot = this.#held.open(Infinity);
    if (sequence === 0) this.#startOver(known);
    for (const block of removed) {
      known.expected.delete(block);
      this.#held.remove(known.heldSlot, block);
    }
    for (const block of stored) {
      known.expected.delete(block);
      this.#held.use(known.heldSlot, block);
    }
    this.#trim(known, nowUs);
    this.#believe(worker, { slot: known.heldSlot, untilUs: nowUs });
    this.#changed();
  }

  /** What was sent long ago and has not been reported since is not there. The oldest come first. */
  #trim(known: KnownWorker, nowUs: Micros): void {
    for (const [block, sentUs] of known.expected) {
      if (nowUs - sentUs <= this.#trustUs) break;
      known.expected.delete(block);
      this.#held.remove(known.heldSlot, block);
    }
  }

  /** Empties what was thought to be held, but for what may still be on its way. */
  #startOver(known: KnownWorker): void {
    this.#held.clear(known.heldSlot);
    for (const block of known.expected.keys()) this.#held.use(known.heldSlot, block);
  }

  #believe(worker: Worker, { slot, untilUs }: { slot: number; untilUs: Micros }): void {
    for (const { load } of worker.endpoints) {
      load.heldSlot = slot;
      load.heldUs = untilUs;
    }
  }

  #know(worker: Worker): KnownWorker {
    let known = this.#workers.get(worker);
    if (known === undefined) {
      known = { endpoints: new Set(), heldSlot: -1, sequence: -1, expected: new Map() };
      this.#workers.set(worker, known);
    }
    return known;
  }

  #close(known: KnownWorker, endpoint: Endpoint): void {
    this.#sent.close(endpoint.load.sentSlot);
    endpoint.load.sentSlot = -1;
    known.endpoints.delete(endpoint);
    this.#changed();
  }

  #changed(): void {
    this.#sentMatch.chain = null;
    this.#heldMatch.chain = null;
  }
}

/** A worker that was sent prompts in blocks, or has reported on its cache. */
interface KnownWorker {
  /** Those with a place in the index of what was sent. */
  readonly endpoints: Set<Endpoint>;
  heldSlot: number;
  /** Of its last report on its cache; −1 while one is missing. */
  sequence: number;
  /** Blocks that it was sent and has not reported yet, by when they were sent: at most those it is thought to hold. */
  readonly expected: Map<number, Micros>;
}

/** The last chain that was looked up: several policies ask for the same one, each for every candidate. */
class Match {
  chain: readonly number[] | null = null;
  readonly #index: CacheIndex;
  #runs: Int32Array = new Int32Array(0);

  constructor(index: CacheIndex) {
    this.#index = index;
  }

  runs(chain: readonly number[]): Int32Array {
    if (this.chain !== chain) {
      this.chain = chain;
      this.#runs = this.#index.match(chain);
    }
    return this.#runs;
  }
}

/** Blocks that fit into the endpoint's KV cache; Infinity where its size is not known. */
function blocksOf({ worker, kvBytesPerToken }: Endpoint, blockTokens: number): number {
  if (kvBytesPerToken <= 0) return Infinity;
  return Math.floor(worker.limits.kvBytesMax / (kvBytesPerToken * blockTokens));
}
