import type { BalanceRow } from "./accounts.ts";
import type { Charge } from "./charge.ts";
import type { LimitUnit, Sum } from "./limits.ts";
import type { Balance } from "./sums.ts";

/** Where in the table the counts of one instance of a window of one account begin. */
export type Slot = number;

/*
 * A slot is what is posted, and then what is held, of each of these. Money is whole USD and the nano-USD beyond them, 0
 * to 999,999,999: exact for any sum, where a single number is up to nine million USD only.
 */
const USD = 0;
const NANO_USD = 1;
const INPUT = 2;
const CACHED = 3;
const OUTPUT = 4;
const REASONING = 5;
const REQUESTS = 6;
const GPU = 7;
const HALF_WIDTH = 8;
const WIDTH = 2 * HALF_WIDTH;

export const POSTED = 0;
export const HELD = HALF_WIDTH;
export type Half = typeof POSTED | typeof HELD;

const NANO_PER_USD = 1_000_000_000;
const SLOTS_AT_FIRST = 64;
const GROWTH = 1.5;

/** The slot that `sum` writes to. */
const SCRATCH: Slot = 0;

/**
 * What is posted and held in all windows of all accounts: numbers in one row. Each operation adds to the counts of all
 * accounts on a path, and what it waits for, where there are many accounts, is memory: the counts of one account lie
 * side by side, change in place, and are nothing for the garbage collector to look at.
 */
export class CountsTable {
  #numbers = new Float64Array(SLOTS_AT_FIRST * WIDTH);
  /** Of those that were never taken, the first. */
  #next: Slot = SCRATCH + WIDTH;
  readonly #free: Slot[] = [];

  /** A slot in which nothing is posted or held. */
  take(): Slot {
    const used = this.#free.pop();
    if (used !== undefined) return used;
    const slot = this.#next;
    this.#next += WIDTH;
    if (this.#next > this.#numbers.length) {
      const slots = Math.ceil((this.#numbers.length / WIDTH) * GROWTH);
      const grown = new Float64Array(slots * WIDTH);
      grown.set(this.#numbers);
      this.#numbers = grown;
    }
    return slot;
  }

  /** Nobody will ask for it any more. */
  giveBack(slot: Slot): void {
    this.#numbers.fill(0, slot, slot + WIDTH);
    this.#free.push(slot);
  }

  add(slot: Slot, half: Half, charge: Charge, sign: 1 | -1): void {
    const at = slot + half;
    if (charge.nanoUsd !== 0) {
      const nanoUsd = sign * charge.nanoUsd;
      const usd = Math.floor(nanoUsd / NANO_PER_USD);
      this.#addMoney(at, usd, nanoUsd - usd * NANO_PER_USD);
    }
    const numbers = this.#numbers;
    numbers[at + INPUT]! += sign * charge.inputTokens;
    numbers[at + CACHED]! += sign * charge.cachedTokens;
    numbers[at + OUTPUT]! += sign * charge.outputTokens;
    numbers[at + REASONING]! += sign * charge.reasoningTokens;
    numbers[at + REQUESTS]! += sign * charge.requests;
    numbers[at + GPU]! += sign * charge.gpuUs;
  }

  /** Counts in what was posted until a row was written. */
  addRow(slot: Slot, row: BalanceRow): void {
    const nanoUsd = BigInt(row.nanoUsd);
    const perUsd = BigInt(NANO_PER_USD);
    const at = slot + POSTED;
    this.#addMoney(at, Number(nanoUsd / perUsd), Number(nanoUsd % perUsd));
    const numbers = this.#numbers;
    numbers[at + INPUT]! += row.inputTokens;
    numbers[at + CACHED]! += row.cachedTokens;
    numbers[at + OUTPUT]! += row.outputTokens;
    numbers[at + REASONING]! += row.reasoningTokens;
    numbers[at + REQUESTS]! += row.requests;
    numbers[at + GPU]! += row.gpuUs;
  }

  /** All of them together, until the next sum is asked for. */
  sum(slots: Iterable<Slot>): Slot {
    const numbers = this.#numbers;
    numbers.fill(0, SCRATCH, SCRATCH + WIDTH);
    for (const slot of slots) {
      for (const half of [POSTED, HELD] as const) {
        const from = slot + half;
        const at = SCRATCH + half;
        this.#addMoney(at, numbers[from + USD]!, numbers[from + NANO_USD]!);
        for (let part = INPUT; part < HALF_WIDTH; part++) numbers[at + part]! += numbers[from + part]!;
      }
    }
    return SCRATCH;
  }

  holdsNothing(slot: Slot): boolean {
    for (let part = 0; part < HALF_WIDTH; part++) if (this.#numbers[slot + HELD + part] !== 0) return false;
    return true;
  }

  /** Whether what is held, as far as holds say, is nowhere less than nothing. */
  isHeldPositive(slot: Slot): boolean {
    const numbers = this.#numbers;
    const at = slot + HELD;
    const isTokensPositive = numbers[at + INPUT]! >= 0 && numbers[at + OUTPUT]! >= 0;
    return (
      isTokensPositive && numbers[at + GPU]! >= 0 && numbers[at + USD]! >= 0 && numbers[at + REQUESTS]! >= 0
    );
  }

  /** One half of it in a limit's unit: nano-USD for `usd`. */
  amount(unit: LimitUnit, slot: Slot, half: Half): bigint {
    return unit === "usd" ? this.#money(slot + half) : BigInt(this.#number(unit, slot + half));
  }

  /** Posted and held together, in a limit's unit; of money as near as a double is. */
  roughlyUsed(unit: LimitUnit, slot: Slot): number {
    return this.#number(unit, slot + POSTED) + this.#number(unit, slot + HELD);
  }

  balance(slot: Slot): Balance {
    return { posted: this.#sumAt(slot + POSTED), held: this.#sumAt(slot + HELD) };
  }

  /** `nanoUsd` is more than -1 USD, and at most 1. */
  #addMoney(at: number, usd: number, nanoUsd: number): void {
    const numbers = this.#numbers;
    const sum = numbers[at + NANO_USD]! + nanoUsd;
    const carry = Math.floor(sum / NANO_PER_USD);
    numbers[at + USD]! += usd + carry;
    numbers[at + NANO_USD] = sum - carry * NANO_PER_USD;
  }

  #sumAt(at: number): Sum {
    const numbers = this.#numbers;
    return {
      nanoUsd: this.#money(at),
      inputTokens: numbers[at + INPUT]!,
      cachedTokens: numbers[at + CACHED]!,
      outputTokens: numbers[at + OUTPUT]!,
      reasoningTokens: numbers[at + REASONING]!,
      requests: numbers[at + REQUESTS]!,
      gpuUs: numbers[at + GPU]!,
    };
  }

  #money(at: number): bigint {
    return BigInt(this.#numbers[at + USD]!) * BigInt(NANO_PER_USD) + BigInt(this.#numbers[at + NANO_USD]!);
  }

  #number(unit: LimitUnit, at: number): number {
    const numbers = this.#numbers;
    switch (unit) {
      case "usd":
        return numbers[at + USD]! * NANO_PER_USD + numbers[at + NANO_USD]!;
      case "tokens":
        return numbers[at + INPUT]! + numbers[at + OUTPUT]!;
      case "input_tokens":
        return numbers[at + INPUT]!;
      case "output_tokens":
        return numbers[at + OUTPUT]!;
      case "requests":
        return numbers[at + REQUESTS]!;
      case "gpu_seconds":
        return numbers[at + GPU]!;
    }
  }
}
