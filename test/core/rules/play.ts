import type { TrackedWindow } from "../../../src/core/budget/accounts.ts";
import { Budget } from "../../../src/core/budget/budget.ts";
import type { Remainder, Shortage } from "../../../src/core/budget/shortage.ts";
import { type Charge, NOTHING } from "../../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../../src/core/budget/ledger-entry.ts";
import type { LimitRow } from "../../../src/core/budget/limits.ts";
import type { Micros } from "../../../src/core/units.ts";
import { Book, RANKS, USUAL_RANK } from "./book.ts";
import type { Scene, Step } from "./drawing.ts";

/** A step, for whom it is; `charge` is what is asked for, what was used, or what is held. */
export type Operation =
  | { kind: "reserve" | "extend"; hold: string; account: string; charge: Charge; priority: string | null }
  | { kind: "post" | "void" | "doubt" | "adjust"; hold: string; account: string; charge: Charge }
  | { kind: "limit"; row: LimitRow }
  | { kind: "wait"; us: Micros };

interface Held {
  hold: string;
  account: string;
  charge: Charge;
}

/** Plays a scene on a budget, and writes what the budget says that it has done into the second book. It judges nothing. */
export class Play {
  readonly budget: Budget;
  readonly book = new Book();
  readonly entries: LedgerEntry[] = [];
  readonly accounts: readonly string[];
  /** Every window that was ever limited. */
  readonly tracked: TrackedWindow[];
  readonly #scene: Scene;
  readonly #open: Held[] = [];
  readonly #inDoubt: Held[] = [];
  #nowUs: Micros;
  #clockUs: Micros;
  #holds = 0;

  constructor(scene: Scene) {
    this.#scene = scene;
    this.accounts = scene.accounts;
    this.tracked = scene.limits.filter(({ window }) => window !== "total");
    this.#nowUs = this.#clockUs = scene.clocks.startUs;
    this.budget = new Budget(undefined, rankOf);
    for (const row of scene.limits) this.#setLimit(row);
    this.#wait(0);
  }

  /** By the machine's clock. */
  get nowUs(): Micros {
    return this.#nowUs;
  }

  /** By the ledger's, which stands still where the machine's is set back. */
  get clockUs(): Micros {
    return this.#clockUs;
  }

  get open(): readonly Held[] {
    return this.#open;
  }

  /** Null where there is nobody for the step to happen to. */
  operationOf(step: Step): Operation | null {
    switch (step.kind) {
      case "wait":
        return step;
      case "limit": {
        const row = picked(this.#scene.limits, step.pick);
        return row === null ? null : { kind: "limit", row: { ...row, amount: step.amount } };
      }
      case "reserve": {
        const account = picked(this.accounts, step.pick)!;
        return { ...step, kind: "reserve", hold: `h${this.#holds++}`, account };
      }
      case "extend": {
        const held = picked(this.#open, step.pick);
        return held === null ? null : { ...step, kind: "extend", hold: held.hold, account: held.account };
      }
      case "void":
      case "doubt": {
        const held = picked(this.#open, step.pick);
        return held === null ? null : { ...held, kind: step.kind };
      }
      case "post":
      case "adjust": {
        const held = picked(step.kind === "post" ? this.#open : this.#inDoubt, step.pick);
        return held === null
          ? null
          : { ...held, kind: step.kind, charge: shareOf(held.charge, step.percents) };
      }
    }
  }

  /** The entry that the budget has made of it, what it was short of, or null where neither was to be expected. */
  carryOut(operation: Operation): LedgerEntry | Shortage | null {
    if (operation.kind === "wait") this.#wait(operation.us);
    else if (operation.kind === "limit") this.#setLimit(operation.row);
    else return this.#record(operation, this.#operate(operation));
    return null;
  }

  remainders(account: string): Remainder[] {
    return this.budget.remainders(account, this.#nowUs);
  }

  /** The ledger's clock is one that is looked at: no instant goes by unseen. */
  #wait(us: Micros): void {
    this.#nowUs += us;
    this.remainders(this.accounts[0]!);
    this.#clockUs = Math.max(this.#clockUs, this.#nowUs);
  }

  #setLimit(row: LimitRow): void {
    this.book.setLimit(row);
    this.budget.setLimits([row], { zones: [this.#scene.clocks.rules], used: [], through: 0 });
  }

  #operate(operation: Exclude<Operation, { kind: "wait" | "limit" }>): LedgerEntry | Shortage | null {
    const { hold, charge } = operation;
    const { budget, nowUs } = this;
    switch (operation.kind) {
      case "reserve":
        return budget.reserve({ id: hold, model: "m" }, operation, nowUs);
      case "extend":
        return budget.extend(hold, operation, nowUs);
      case "post":
        return budget.post(hold, charge, nowUs);
      case "void":
        return budget.void(hold, nowUs);
      case "doubt":
        return budget.postInDoubt(hold, nowUs);
      case "adjust":
        return budget.adjust(hold, charge, nowUs);
    }
  }

  #record(
    operation: Exclude<Operation, { kind: "wait" | "limit" }>,
    result: LedgerEntry | Shortage | null,
  ): LedgerEntry | Shortage | null {
    if (result === null || "limit" in result) return result;
    this.entries.push(result);
    const { kind, hold, account, charge } = operation;
    if (kind === "reserve" || kind === "extend") {
      this.book.hold({ hold, account, atUs: this.#clockUs, charge });
      const held = { hold, account, charge: { ...NOTHING, ...this.book.heldBy(hold) } };
      if (kind === "reserve") this.#open.push(held);
      else this.#open[this.#indexOf(hold)] = held;
      return result;
    }
    if (kind === "adjust") this.book.correct(hold, charge);
    else this.book.close(hold, kind === "void" ? NOTHING : charge);
    if (kind === "doubt") this.#inDoubt.push({ hold, account, charge });
    if (kind === "adjust")
      this.#inDoubt.splice(
        this.#inDoubt.findIndex((held) => held.hold === hold),
        1,
      );
    else this.#open.splice(this.#indexOf(hold), 1);
    return result;
  }

  #indexOf(hold: string): number {
    return this.#open.findIndex((held) => held.hold === hold);
  }
}

/** Plays a whole scene; `look` sees each operation before it is carried out, and may look again afterwards. */
export function playScene(
  scene: Scene,
  look: (play: Play, operation: Operation) => ((result: LedgerEntry | Shortage | null) => void) | void,
): Play {
  const play = new Play(scene);
  for (const step of scene.steps) {
    const operation = play.operationOf(step);
    if (operation === null) continue;
    const lookAgain = look(play, operation);
    const result = play.carryOut(operation);
    lookAgain?.(result);
  }
  return play;
}

export function rankOf(band: string | null): number | null {
  return band === null ? USUAL_RANK : (RANKS[band] ?? null);
}

function picked<T>(from: readonly T[], pick: number): T | null {
  return from[pick % Math.max(1, from.length)] ?? null;
}

function shareOf(charge: Charge, percents: readonly number[]): Charge {
  const [usd, input, output, requests, gpu] = percents.map((percent) => percent / 100);
  return {
    ...NOTHING,
    nanoUsd: Math.floor(charge.nanoUsd * usd!),
    inputTokens: Math.floor(charge.inputTokens * input!),
    outputTokens: Math.floor(charge.outputTokens * output!),
    requests: Math.floor(charge.requests * requests!),
    gpuUs: Math.floor(charge.gpuUs * gpu!),
  };
}
