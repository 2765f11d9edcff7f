import type { LedgerState } from "../../core/budget/accounts.ts";
import type { LedgerEntry } from "../../core/budget/ledger-entry.ts";
import type { LimitRow } from "../../core/budget/limits.ts";
import type { CoreConfig } from "../../core/config.ts";
import type { LimitsChanged } from "../../core/events.ts";
import { type Micros, seconds } from "../../core/units.ts";
import { GroupCommit } from "../../ledger/group-commit.ts";
import { LedgerKeeper, type Rates } from "../../ledger/shared/ledger-keeper.ts";
import type { KeeperMessage, ReplicaMessage } from "../../ledger/shared/messages.ts";
import type { VirtualClock } from "../clock.ts";
import type { VirtualDisk } from "../disk.ts";
import { mortal, type VirtualProcess } from "../process.ts";

/** So often it is looked whether a replica has been silent for too long. */
const LOOK_US: Micros = seconds(1);

/** Who looks on at the journal. */
export interface JournalWatcher {
  /** A life of the keeper begins with what it reads from the disk. */
  began(nowUs: Micros, read: { state: LedgerState; limits: LimitRow[]; rates: Rates }): void;
  /** What was open has been posted in doubt. */
  hasBegun(nowUs: Micros): void;
  /** Before its limits change. */
  limitsChanged(nowUs: Micros, event: LimitsChanged): void;
  /** Before its rates change. */
  ratesChanged(rates: Rates): void;
  /** Before a message of a replica that it still listens to is read, and after that. */
  reading(nowUs: Micros, replica: string, message: ReplicaMessage): void;
  read(): void;
  /** What one replica or the keeper itself has made is appended. */
  appended(entry: LedgerEntry): void;
  joined(replica: string): void;
  left(replica: string): void;
}

/** One life of the process that keeps the ledger: keeper, desk and journal of production on the virtual disk. */
export class KeeperLife {
  readonly process: VirtualProcess;
  readonly #clock: VirtualClock;
  readonly #watcher: JournalWatcher;
  readonly #rates: Rates;
  readonly #slices: CoreConfig["slices"];
  readonly #replicas = new Set<string>();
  readonly #onSilent: (replica: string) => void;
  #keeper!: LedgerKeeper;

  constructor(options: {
    process: VirtualProcess;
    clock: VirtualClock;
    watcher: JournalWatcher;
    rates: Rates;
    slices: CoreConfig["slices"];
    /** Nothing was heard of it for so long that it has left. */
    onSilent: (replica: string) => void;
  }) {
    this.process = options.process;
    this.#clock = options.clock;
    this.#watcher = options.watcher;
    this.#rates = options.rates;
    this.#slices = options.slices;
    this.#onSilent = options.onSilent;
  }

  /** Its clock. */
  get nowUs(): Micros {
    return this.#clock.nowUs;
  }

  /** Of all replicas. */
  get openHolds(): number {
    return this.#keeper.openHolds;
  }

  begin(disk: VirtualDisk): void {
    const { process } = this;
    const state = disk.read();
    const { limits } = disk;
    const rates = this.#rates;
    this.#watcher.began(this.#clock.nowUs, { state, limits, rates });
    process.run(() => {
      this.#keeper = new LedgerKeeper({
        state,
        limits,
        rates,
        slices: this.#slices,
        nowUs: () => this.#clock.nowUs,
        after: (delayUs, callback) => void process.after(delayUs, callback),
        createJournal: (submit) => {
          const commit = new GroupCommit(disk.open(process), submit, { tellsAll: true });
          const append: GroupCommit["append"] = (effect) => {
            this.#watcher.appended(effect.entry);
            commit.append(effect);
          };
          return mortal({ append }, process);
        },
      });
      this.#watcher.hasBegun(this.#clock.nowUs);
      this.#look();
    });
  }

  join(replica: string, send: (message: KeeperMessage) => void): void {
    this.process.run(() => {
      this.#replicas.add(replica);
      this.#watcher.joined(replica);
      this.#keeper.join(replica, send);
    });
  }

  receive(replica: string, message: ReplicaMessage): void {
    this.process.run(() => {
      const isHeard = this.#replicas.has(replica);
      if (isHeard) this.#watcher.reading(this.#clock.nowUs, replica, message);
      this.#keeper.receive(replica, message);
      if (isHeard) this.#watcher.read();
    });
  }

  /** Does nothing for one that has left before. */
  leave(replica: string): void {
    this.process.run(() => {
      if (!this.#replicas.delete(replica)) return;
      this.#keeper.leave(replica);
      this.#watcher.left(replica);
    });
  }

  limitsChanged(event: LimitsChanged): void {
    this.process.run(() => {
      this.#watcher.limitsChanged(this.#clock.nowUs, event);
      this.#keeper.limitsChanged(event.limits, event.known);
    });
  }

  setRates(rates: Rates): void {
    this.process.run(() => {
      this.#watcher.ratesChanged(rates);
      this.#keeper.setRates(rates);
    });
  }

  #look(): void {
    for (const replica of this.#keeper.silent()) {
      this.leave(replica);
      this.#onSilent(replica);
    }
    this.process.after(LOOK_US, () => this.#look());
  }
}
