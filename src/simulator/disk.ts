import {
  Accounts,
  type BalanceRow,
  EMPTY_LEDGER,
  type LedgerState,
  type TrackedWindow,
} from "../core/budget/accounts.ts";
import type { Known } from "../core/budget/limited-accounts.ts";
import type { ZoneRules } from "../core/budget/calendar.ts";
import type { LedgerEntry } from "../core/budget/ledger-entry.ts";
import type { LimitRow } from "../core/budget/limits.ts";
import { seconds } from "../core/units.ts";
import type { CommitStore } from "../ledger/group-commit.ts";
import type { FaultPlan } from "./faults.ts";
import type { VirtualProcess } from "./process.ts";
import type { Random } from "../core/random.ts";
import type { DiskSpec } from "./scenario.ts";
import type { Sighting } from "./sightings.ts";

const RETRY_US = seconds(0.1);

/**
 * What the ledger is kept on, from one life of the supervisor to the next. A group is there once it
 * is synced; one that was on its way when the process was killed is there or not, but never in part.
 */
export class VirtualDisk {
  readonly #spec: DiskSpec;
  readonly #faults: FaultPlan;
  readonly #random: Random;
  readonly #saw: (sighting: Sighting) => void;
  readonly #entries: LedgerEntry[] = [];
  readonly #zones: readonly ZoneRules[];
  readonly #limits = new Map<string, LimitRow>();
  /** On its way. */
  #writing: readonly LedgerEntry[] | null = null;

  constructor(options: {
    spec: DiskSpec;
    limits: readonly LimitRow[];
    zones: readonly ZoneRules[];
    faults: FaultPlan;
    random: Random;
    saw: (sighting: Sighting) => void;
  }) {
    this.#spec = options.spec;
    this.#faults = options.faults;
    this.#random = options.random;
    this.#saw = options.saw;
    this.#zones = options.zones;
    for (const limit of options.limits) this.setLimit(limit);
  }

  /** As they stand, those that were taken away too. */
  get limits(): LimitRow[] {
    return [...this.#limits.values()];
  }

  setLimit(limit: LimitRow): void {
    const { account, unit, window } = limit;
    this.#limits.set(`${account} ${unit} ${window}`, limit);
  }

  /** What a process reads when it starts: the entries that are there, added up, in all windows that there were limits for. */
  read(): LedgerState {
    return this.#addUp(this.limits.filter(({ window }) => window !== "total")).state;
  }

  /** What a process is told with limits that are new: what is on the disk of their windows. */
  known(limits: readonly LimitRow[]): Known {
    const tracked = limits.filter(({ window }) => window !== "total");
    const accounts = this.#addUp(tracked);
    const isAsked = ({ account, window }: BalanceRow): boolean => {
      return tracked.some((limit) => limit.account === account && limit.window === window);
    };
    const used = limits.flatMap(({ account }) => accounts.rowsOf(account)).filter(isAsked);
    return { zones: [...this.#zones], used, through: accounts.sequence };
  }

  #addUp(tracked: readonly TrackedWindow[]): Accounts {
    const windows = tracked.map(({ account, window }) => ({ account, window }));
    const accounts = new Accounts({ ...EMPTY_LEDGER, zones: [...this.#zones], tracked: windows });
    for (const entry of this.#entries) accounts.apply(entry);
    return accounts;
  }

  /** What a process writes to. */
  open(process: VirtualProcess): CommitStore {
    const { syncUs, relaxedUs } = this.#spec;
    const waitUs = { awaited: 0, relaxed: relaxedUs, retry: RETRY_US };
    return {
      defer: (callback, urgency) => {
        if (waitUs[urgency] === 0) callback();
        else process.after(waitUs[urgency], callback);
      },
      write: (group, done) => {
        process.pass("crash_before_write");
        this.#writing = group;
        if (syncUs === 0) return this.#sync(process, done);
        const isSlow = this.#faults.strikes("slow_disk", 0.03);
        const neededUs = isSlow ? seconds(this.#random.between(1, 6)) : syncUs;
        if (process.isTrapped("crash_before_sync")) process.after(neededUs / 2, () => process.kill());
        process.after(neededUs, () => this.#sync(process, done));
      },
    };
  }

  /** The process that wrote has been killed. */
  settle(): void {
    if (this.#random.chance(0.5)) this.#keep();
    this.#writing = null;
  }

  #sync(process: VirtualProcess, done: (error: Error | null) => void): void {
    if (this.#faults.strikes("write_error", 0.03)) {
      // Some errors come after the fact: the group is there all the same.
      this.settle();
      return done(new Error("The disk does not answer."));
    }
    this.#keep();
    this.#writing = null;
    process.pass("crash_before_ack");
    done(null);
  }

  /** What is there already, from a writing that was said to have failed, is not written twice. */
  #keep(): void {
    const last = this.#entries.at(-1)?.sequence ?? 0;
    const entries = (this.#writing ?? []).filter(({ sequence }) => sequence > last);
    if (entries.length === 0) return;
    this.#entries.push(...entries);
    this.#saw({ kind: "entries_durable", entries });
  }
}
