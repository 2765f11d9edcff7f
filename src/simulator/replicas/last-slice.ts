import { NOTHING } from "../../core/budget/charge.ts";
import type { LimitRow } from "../../core/budget/limits.ts";
import type { AnswerSlice, Effect } from "../../core/effects.ts";
import type { Random } from "../../core/random.ts";
import { type Micros, seconds } from "../../core/units.ts";
import { isAtOrBelow } from "../checkers/book.ts";
import type { VirtualDisk } from "../disk.ts";
import type { Replica } from "./replica.ts";
import type { SharedSuite } from "./shared-suite.ts";

const PAYER = "global/local";
const ACCOUNT = `${PAYER}/last-slice`;
const ASK = "last slice";

/** Small enough that a single request can take all of it. */
const AMOUNT_MAX = 1_000_000;
/** Until whoever has asked must be answered. */
const ANSWERED_US: Micros = seconds(30);
/** Until everybody has heard of a limit. */
const HEARD_US: Micros = seconds(5);

/** What requests at a supervisor are to use up. */
export interface Target {
  account: string;
  /** For people. */
  name: string;
  left: (replica: Replica) => { least: number; most: number };
}

export interface LastSliceOptions {
  random: Random;
  suite: SharedSuite;
  disk: VirtualDisk;
  replicas: readonly Replica[];
  setLimit: (limit: LimitRow) => void;
  /** Lets so much time pass, or less; false where nothing goes on any more. */
  pass: (durationUs: Micros, isEnough?: () => boolean) => boolean;
  /** Has one request ask for so many nano-USD, and looks what becomes of it; false where nothing goes on any more. */
  expect: (target: Target, asked: { replica: Replica; amount: number }) => boolean;
}

/** At the end of a world somebody opens a slice, and whatever is left of it is given to one request at any one supervisor. */
export class LastSlice {
  readonly #options: LastSliceOptions;
  #answer: AnswerSlice | null = null;

  constructor(options: LastSliceOptions) {
    this.#options = options;
  }

  effects(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === "answer_slice" && effect.ask === ASK) this.#answer = effect;
    }
  }

  /** False where nothing goes on any more. */
  spend(): boolean {
    const { random, suite, disk, replicas, pass, setLimit, expect } = this.#options;
    const amounts = { ...NOTHING, nanoUsd: random.between(4, AMOUNT_MAX) };
    const opening = { action: "open", payer: PAYER, amounts, ttlUs: null, priority: null } as const;
    const asked = { kind: "slice_asked", ask: ASK, account: ACCOUNT, ...opening } as const;
    random.pick(replicas).life.submit(asked);
    if (!pass(ANSWERED_US, () => this.#answer !== null)) return false;
    if (this.#answer === null) suite.violate("last cent", "nobody is told what became of the last slice");
    if (this.#answer?.slice?.status !== "open") return true;
    // Its parts are what decides, and not limits in other units.
    for (const limit of disk.limits) {
      const isOnPath = limit.amount !== null && isAtOrBelow(ACCOUNT, limit.account);
      if (isOnPath) setLimit({ ...limit, amount: null });
    }
    if (!pass(HEARD_US)) return false;
    const left = (): number => this.#left();
    const target = {
      account: ACCOUNT,
      name: "the last slice",
      left: () => ({ least: this.#left(), most: this.#left() }),
    };
    const some = [(): number => left() + 1, () => Math.ceil(left() / 2), left];
    return some.every((amount) => {
      return left() < 2 || expect(target, { replica: random.pick(replicas), amount: amount() });
    });
  }

  /** By the journal; nothing where its time is over. */
  #left(): number {
    const { slices } = this.#options.suite.journal;
    const slice = slices.open.find(({ account }) => account === ACCOUNT);
    return slice === undefined ? 0 : slices.restOf(slice).nanoUsd;
  }
}
