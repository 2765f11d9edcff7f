import { unknownName } from "../config/nearest-name.ts";
import type { Sum } from "../core/budget/limits.ts";
import { newSum } from "../core/budget/sums.ts";
import { type Levels, levelsOf } from "../keys/account-path.ts";
import { TermError } from "./terms.ts";

/** What costs can be told apart by. */
const DIMENSIONS = ["tenant", "project", "key", "agent", "task", "model", "day"] as const;
export type Dimension = (typeof DIMENSIONS)[number];

/** More are no report any more. */
const LINES_MAX = 100_000;
const UNKNOWN_MODEL = "unknown";

/** What was used by one of them. */
export interface Group {
  /** In order of what is told apart by; null where an account has no such level. */
  names: (string | null)[];
  sum: Sum;
  inDoubt: Doubt;
}

/** What was charged in full because nobody knows what was used. */
export interface Doubt {
  nanoUsd: bigint;
  gpuUs: bigint;
}

export function newDoubt(): Doubt {
  return { nanoUsd: 0n, gpuUs: 0n };
}

export function addDoubt(to: Doubt, { nanoUsd, gpuUs }: Doubt): void {
  to.nanoUsd += nanoUsd;
  to.gpuUs += gpuUs;
}

/** `tenant,model`; each once. */
export function readDimensions(text: string): Dimension[] {
  return [...new Set(text.split(",").map((name) => name.trim()))].map((name) => {
    const dimension = DIMENSIONS.find((known) => known === name);
    if (dimension !== undefined) return dimension;
    throw new TermError("by", unknownName("column", name, DIMENSIONS));
  });
}

/** Finds the group that a use belongs to, and makes it where there is none. */
export class Groups {
  readonly #by: readonly Dimension[];
  readonly #keys: ReadonlySet<string>;
  readonly #groups = new Map<string, Group>();
  readonly #levels = new Map<string, Levels>();

  constructor(by: readonly Dimension[], keys: ReadonlySet<string>) {
    this.#by = by;
    this.#keys = keys;
  }

  get inOrder(): Group[] {
    return [...this.#groups.values()].sort((a, b) => {
      for (const [i, name] of a.names.entries()) {
        const [first, second] = [name ?? "", b.names[i] ?? ""];
        if (first !== second) return first < second ? -1 : 1;
      }
      return 0;
    });
  }

  of({ account, model, day }: { account: string | null; model: string | null; day: string | null }): Group {
    const levels = account === null ? null : this.#levelsOf(account);
    const names = this.#by.map((dimension) => {
      if (dimension === "model") return model === "" ? UNKNOWN_MODEL : model;
      return dimension === "day" ? day : (levels?.[dimension] ?? null);
    });
    const key = JSON.stringify(names);
    let group = this.#groups.get(key);
    if (group === undefined) {
      if (this.#groups.size === LINES_MAX) {
        const advice = "ask for a shorter time, an account, or fewer columns";
        throw new TermError("by", `that would be more than ${LINES_MAX} lines: ${advice}`);
      }
      this.#groups.set(key, (group = { names, sum: newSum(), inDoubt: newDoubt() }));
    }
    return group;
  }

  #levelsOf(account: string): Levels {
    let levels = this.#levels.get(account);
    if (levels === undefined) {
      this.#levels.set(account, (levels = levelsOf(account, (path) => this.#keys.has(path))));
    }
    return levels;
  }
}
