import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import type { SavedState } from "../engine.ts";
import type { HandoverOptions } from "../options.ts";
import { makeStateFolder } from "./state-folder.ts";

export interface ParkedState extends SavedState {
  path: string;
  /** Of the context it was saved from. */
  fingerprint: string;
}

interface Entry {
  /** Null while it is being saved. */
  state: ParkedState | null;
  /** Of the file; as long as it is being saved, what it is expected to have. */
  bytes: number;
  folder: string | null;
  expiry: NodeJS.Timeout | null;
}

/**
 * KV state of parked generations, in files that only this user can read.
 *
 * ```
 *   keep ─▶ saving ─▶ kept ── free, or nobody came in time ──▶ gone
 *             └── it can't be saved, or was freed meanwhile ──▶ gone
 * ```
 * Their number and bytes have limits. Beyond those nothing is kept, rather than that something
 * goes which somebody is about to fetch: without state, a generation goes on all the same.
 */
export class ParkedStates {
  readonly #limits: HandoverOptions;
  readonly #log: Logger;
  readonly #entries = new Map<string, Entry>();
  readonly #removals = new Set<Promise<void>>();
  #bytes = 0;
  #onEmpty: (() => void) | null = null;

  constructor(options: { limits: HandoverOptions; log: Logger }) {
    this.#limits = options.limits;
    this.#log = options.log;
  }

  /**
   * Keeps what `save` writes under an id, in place of what was there before. Null when it can't
   * be kept; never rejects.
   */
  async keep(options: {
    id: string;
    fingerprint: string;
    bytesExpected: number;
    save: (path: string) => Promise<SavedState>;
  }): Promise<SavedState | null> {
    const { id, fingerprint, bytesExpected, save } = options;
    this.free(id);
    const { statesMax, stateBytesMax, stateTtlMs } = this.#limits;
    if (this.#entries.size >= statesMax || this.#bytes + bytesExpected > stateBytesMax) return null;
    const entry: Entry = { state: null, bytes: bytesExpected, folder: null, expiry: null };
    this.#entries.set(id, entry);
    this.#bytes += bytesExpected;
    try {
      entry.folder = await makeStateFolder();
      const path = join(entry.folder, "state");
      const saved = await save(path);
      if (this.#entries.get(id) === entry) {
        this.#bytes += saved.bytes - entry.bytes;
        entry.bytes = saved.bytes;
        entry.state = { ...saved, path, fingerprint };
        entry.expiry = setTimeout(() => this.free(id), stateTtlMs);
        entry.expiry.unref();
        return saved;
      }
    } catch (error) {
      this.#log.warn({ err: error, id }, "state of a parked generation not kept");
      if (this.#entries.get(id) === entry) this.free(id);
    }
    this.#remove(entry);
    return null;
  }

  find(id: string): ParkedState | null {
    return this.#entries.get(id)?.state ?? null;
  }

  /** Whether there was something. What is being sent is sent to its end. */
  free(id: string): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    this.#entries.delete(id);
    this.#bytes -= entry.bytes;
    if (entry.expiry !== null) clearTimeout(entry.expiry);
    // One that is being saved is removed when that is done.
    if (entry.state !== null) this.#remove(entry);
    if (this.#entries.size === 0) this.#onEmpty?.();
    return true;
  }

  /** Resolves when none is kept. For one caller. */
  async allFreed(): Promise<void> {
    if (this.#entries.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onEmpty = resolve;
    await promise;
  }

  freeAll(): void {
    for (const id of this.#entries.keys()) this.free(id);
  }

  /** Frees all. Resolves when no file is left. */
  async close(): Promise<void> {
    this.freeAll();
    await Promise.all(this.#removals);
  }

  #remove({ folder }: Entry): void {
    if (folder === null) return;
    const removal = rm(folder, { recursive: true, force: true })
      .catch((error: unknown) => this.#log.warn({ err: error, folder }, "state not removed"))
      .finally(() => this.#removals.delete(removal));
    this.#removals.add(removal);
  }
}
