import type { LimitRow } from "../../core/budget/limits.ts";
import type { LeaseOpen } from "../../core/leasing/lease.ts";
import { mostUnder } from "../checkers/ledger.ts";

/** What anybody may take a limit to, from some change on; Infinity where there is none. */
interface Version {
  number: number;
  most: number;
}

/**
 * What limits each replica may go by. The keeper goes by a change at once; a replica says when it does, and until then uses
 * what it has leased of the limit before. Changes are numbered.
 */
export class KnownLimits {
  readonly #versions = new Map<string, Version[]>();
  /** By replica: the change that it has joined after, and those after which it has said that it knows a limit. */
  readonly #replicas = new Map<string, { joined: number; opened: Map<string, number> }>();
  #changes = 0;

  /** The keeper begins anew, without replicas. */
  begin(limits: readonly LimitRow[]): void {
    this.#versions.clear();
    this.#replicas.clear();
    this.#changes = 0;
    for (const limit of limits) this.#versions.set(nameOf(limit), [versionOf(limit, 0)]);
  }

  change(limits: readonly LimitRow[]): void {
    const number = ++this.#changes;
    for (const limit of limits) {
      const versions = this.#versions.get(nameOf(limit)) ?? [{ number: 0, most: Infinity }];
      versions.push(versionOf(limit, number));
      this.#versions.set(nameOf(limit), versions);
    }
  }

  joined(replica: string): void {
    this.#replicas.set(replica, { joined: this.#changes, opened: new Map() });
  }

  opened(replica: string, order: LeaseOpen): void {
    this.#replicas.get(replica)?.opened.set(nameOf(order), this.#changes);
  }

  left(replica: string): void {
    this.#replicas.delete(replica);
  }

  /** The most that the replica may believe the limit to be. */
  mostFor(replica: string, limit: LimitRow): number {
    const known = this.#replicas.get(replica);
    const since = Math.max(known?.joined ?? 0, known?.opened.get(nameOf(limit)) ?? 0);
    const versions = this.#versions.get(nameOf(limit)) ?? [];
    const from = Math.max(
      0,
      versions.findLastIndex(({ number }) => number <= since),
    );
    return Math.max(...versions.slice(from).map(({ most }) => most));
  }
}

function versionOf(limit: LimitRow, number: number): Version {
  return { number, most: limit.amount === null ? Infinity : mostUnder(limit) };
}

function nameOf({ account, unit, window }: Pick<LimitRow, "account" | "unit" | "window">): string {
  return `${account} ${unit} ${window}`;
}
