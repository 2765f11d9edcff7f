import { LEASE_TTL_US } from "../../core/leasing/lease.ts";
import { MICROS_PER_MILLI } from "../../core/units.ts";
import { KeyBook } from "../../keys/key-book.ts";
import { readKeys } from "../../keys/key-table.ts";
import { systemNowUs } from "../../supervisor/system-timer.ts";
import { readUsableKeys } from "../changes.ts";
import { ledgerPath, openDatabase, setBusyTimeout } from "../database.ts";
import type { Ledger } from "../ledger.ts";
import { guardedLook, LOOK_MS_MAX } from "../look.ts";
import { CLOSE_MS_MAX, describePending, type LedgerOptions, within } from "../owned-file.ts";
import { type Beginning, Inbox } from "./inbox.ts";
import type { Channel, KeeperMessage, ReplicaMessage } from "./messages.ts";
import { RemoteLedger } from "./remote-ledger.ts";

/** From one message to the next: each costs both sides as much as some ten entries. */
const SPACING_MS = 1;
const TOUCH_MS = LEASE_TTL_US / 10 / MICROS_PER_MILLI;

export interface ReplicaLedgerOptions extends LedgerOptions {
  /** To the process that keeps the ledger (`openSharedLedger`), which has to let this one join. */
  channel: Channel<ReplicaMessage, KeeperMessage>;
}

/**
 * The ledger as one of several replicas has it: what it appends goes to the process that keeps the ledger, and limits come
 * from there and nowhere else. Keys are read from the file; one that another process has just created is known here at
 * its first use, unless it came with limits: then it is when the keeper, who is asked to make haste, has told of them,
 * and whoever uses it waits for that (`KeyBook.coming`).
 *
 * Waits until it is told what to begin with. Throws when the file can't be read.
 */
export async function openReplicaLedger(options: ReplicaLedgerOptions): Promise<Ledger> {
  const inbox = new Inbox();
  options.channel.onMessage((message) => inbox.take(message));
  return openJoined(await inbox.beginning, inbox, options);
}

function openJoined(
  { restored, ...beginning }: Beginning,
  inbox: Inbox,
  { stateFolder, log, closeMsMax = CLOSE_MS_MAX, channel }: ReplicaLedgerOptions,
): Ledger {
  const database = openDatabase(ledgerPath(stateFolder));
  setBusyTimeout(database, LOOK_MS_MAX);
  /** Limits and keys up to these versions are known here. */
  let { told } = beginning;
  let trouble: string | null = null;
  let remote: RemoteLedger | null = null;
  let touching: NodeJS.Timeout | undefined;
  const look = guardedLook(() => {
    const { keys: found, isAll } = readUsableKeys(database, told);
    keys.update(found);
    if (isAll) return true;
    keys.expect();
    channel.send({ kind: "look" });
    return false;
  }, log);
  // Of what was changed later, limits may not be in force here.
  const first = readKeys(database, { after: 0 }).filter(({ version }) => version <= told.keys);
  const keys = new KeyBook(first, look);

  const take = (message: KeeperMessage): void => {
    switch (message.kind) {
      case "events":
        return remote!.receive(message.events);
      case "keys":
        // Limits up to that version came before.
        told = message.through;
        return keys.update(message.keys);
      case "trouble":
        trouble = message.words;
    }
  };

  return {
    restore: () => restored,
    keys,
    connect(submit) {
      const joined = new RemoteLedger({
        send: channel.send,
        submit,
        defer: spaced(SPACING_MS),
        nowUs: systemNowUs,
      });
      remote = joined;
      // What the supervisor begins with is submitted in this turn, and all else after it.
      setImmediate(() => inbox.deliverTo(take));
      touching = setInterval(() => joined.touch(), TOUCH_MS);
      joined.touch();
      return joined;
    },
    trouble: () => trouble ?? describePending(remote?.pending ?? 0),
    async close() {
      try {
        if (await within(closeMsMax, remote?.quiet() ?? Promise.resolve())) return;
        const why = trouble ?? `it took longer than ${closeMsMax} ms`;
        throw new Error(
          `The last ${remote?.pending} ledger entries could not be written (${why}). What they were about is charged in full.`,
        );
      } finally {
        clearInterval(touching);
        database.close();
      }
    },
  };
}

/** Calls back at the end of this turn, or later where that would be less than so many ms after the time before. */
function spaced(ms: number): (callback: () => void) => void {
  let lastMs = -Infinity;
  return (callback) => {
    const call = (): void => {
      lastMs = performance.now();
      callback();
    };
    if (performance.now() - lastMs >= ms) setImmediate(call);
    else setTimeout(call, ms);
  };
}
