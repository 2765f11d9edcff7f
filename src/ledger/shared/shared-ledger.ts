import type { CoreConfig } from "../../core/config.ts";
import type { LedgerRestored } from "../../core/events.ts";
import { MICROS_PER_MILLI, MILLIS_PER_SECOND } from "../../core/units.ts";
import type { KeyBook } from "../../keys/key-book.ts";
import { systemNowUs } from "../../supervisor/system-timer.ts";
import { type LedgerOptions, openOwnedFile } from "../owned-file.ts";
import { LedgerKeeper, type Rates } from "./ledger-keeper.ts";
import type { Channel, KeeperMessage, ReplicaMessage } from "./messages.ts";

const SILENCE_CHECKED_MS = MILLIS_PER_SECOND;

export interface SharedLedgerOptions extends LedgerOptions {
  /** Of requests, as configured; none if absent. */
  rates?: Rates;
  /** How many slices of budgets may be opened; none if absent. */
  slices?: CoreConfig["slices"];
  /** Nothing was heard of that replica for too long: its process has to be ended. Told every second until it has left. */
  onSilent: (replica: string) => void;
}

/** The ledger of several replicas of a supervisor, in the process that keeps it for them. */
export interface SharedLedger {
  /** Keys, as they stand in the file now. */
  keys: KeyBook;
  /** What the file says before anything is appended. */
  restore(): Omit<LedgerRestored, "kind">;
  /** A new life of a replica, whose process listens at the other end. A name is never used again. */
  join(replica: string, channel: Channel<KeeperMessage, ReplicaMessage>): void;
  /** Its process has ended, however. */
  leave(replica: string): void;
  /** Rates of requests were changed at run time. */
  setRates(rates: Rates): void;
  /** Of all replicas. */
  readonly openHolds: number;
  /** When all have left: writes what is left and frees the file; rejects when not all could be written. */
  close(): Promise<void>;
}

/**
 * Throws when another process has the folder's ledger, or the file can't be used.
 *
 * Replicas are told of limits and keys in the order in which they are sent here: limits first. So a key is known to a
 * replica only after the limits that it was made with are in force there. What a replica finds in the file by itself it
 * holds to the same rule (`readUsableKeys`), by the version that is sent along.
 */
export function openSharedLedger({ onSilent, rates, slices, ...options }: SharedLedgerOptions): SharedLedger {
  const file = openOwnedFile(options, {
    limits: (limits, known) => keeper.limitsChanged(limits, known),
    keys: (keys, through) => keeper.sendAll({ kind: "keys", keys, through }),
  });
  const restored = file.restore();
  let isClosed = false;
  const keeper = new LedgerKeeper({
    ...restored,
    ...(rates !== undefined && { rates }),
    ...(slices !== undefined && { slices }),
    createJournal: (submit) => file.commits(submit, { tellsAll: true }),
    nowUs: systemNowUs,
    // A slice that is open for long keeps no process from ending.
    after: (delayUs, callback) => {
      const call = (): void => void (isClosed || callback());
      setTimeout(call, Math.ceil(delayUs / MICROS_PER_MILLI)).unref();
    },
    trouble: file.failure,
  });
  const checkSilence = (): void => {
    for (const replica of keeper.silent()) onSilent(replica);
  };
  // After a pause of the whole process, what has arrived meanwhile is read before anyone is called silent.
  const checking = setInterval(() => setImmediate(checkSilence), SILENCE_CHECKED_MS);
  return {
    keys: file.keys,
    restore: () => restored,
    join(replica, channel) {
      keeper.join(replica, channel.send);
      channel.send({ kind: "keys", keys: [], through: file.told() });
      channel.onMessage((message) => {
        if (message.kind === "look") file.look();
        keeper.receive(replica, message);
      });
    },
    leave: (replica) => keeper.leave(replica),
    setRates: (changed) => keeper.setRates(changed),
    get openHolds() {
      return keeper.openHolds;
    },
    async close() {
      isClosed = true;
      clearInterval(checking);
      await file.close();
    },
  };
}
