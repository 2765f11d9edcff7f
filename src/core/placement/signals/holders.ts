/**
 * Who holds which block: for each block the slots of its holders. A chain is looked up for all holders at once,
 * in steps proportional to the holders of its blocks, and not to the fleet.
 *
 * Most blocks have one holder, which stands for itself; a list is made for the second.
 */
export class Holders {
  readonly #holders = new Map<number, number | number[]>();

  /** Blocks that anybody holds. */
  get size(): number {
    return this.#holders.size;
  }

  add(block: number, slot: number): void {
    const holders = this.#holders.get(block);
    if (holders === undefined) this.#holders.set(block, slot);
    else if (typeof holders === "number") this.#holders.set(block, [holders, slot]);
    else holders.push(slot);
  }

  remove(block: number, slot: number): void {
    const holders = this.#holders.get(block);
    if (holders === slot) this.#holders.delete(block);
    if (typeof holders !== "object") return;
    const last = holders.pop()!;
    if (last !== slot) holders[holders.indexOf(slot)] = last;
    if (holders.length === 1) this.#holders.set(block, holders[0]!);
  }

  /** Writes for each slot how many blocks the chain begins with that it holds. `runs` has an entry for each slot. */
  match(chain: readonly number[], runs: Int32Array): void {
    runs.fill(0);
    for (let i = 0; i < chain.length; i++) {
      const holders = this.#holders.get(chain[i]!);
      if (holders === undefined) return;
      if (typeof holders === "number") {
        if (runs[holders] !== i) return;
        runs[holders] = i + 1;
        continue;
      }
      let hasAny = false;
      for (let h = 0; h < holders.length; h++) {
        const slot = holders[h]!;
        if (runs[slot] !== i) continue;
        runs[slot] = i + 1;
        hasAny = true;
      }
      if (!hasAny) return;
    }
  }
}
