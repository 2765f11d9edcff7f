import type { LedgerRestored } from "../core/events.ts";
import type { KeyBook } from "../keys/key-book.ts";
import type { Submit } from "../supervisor/loop.ts";
import type { LedgerPort } from "../supervisor/ports.ts";
import { type LedgerOptions, openOwnedFile } from "./owned-file.ts";

/** The ledger of one supervisor: a file that belongs to it alone, or its share of one that another process keeps. */
export interface Ledger {
  /** What the supervisor begins with: to be submitted before anything else, in the turn in which it was connected. */
  restore(): Omit<LedgerRestored, "kind">;
  /** Keys, as they stand in the file now. */
  keys: KeyBook;
  /** The port to append to; limits that are changed by others are submitted, too. Call once. */
  connect(submit: Submit): LedgerPort;
  /** Why nothing can be made durable at the moment; null when it can. */
  trouble(): string | null;
  /** Writes what is left and lets go of the file; rejects when not all could be written. */
  close(): Promise<void>;
}

/** For a supervisor that has the ledger to itself. Throws when another one has it, or the file can't be used. */
export function openLedger(options: LedgerOptions): Ledger {
  let submit: Submit | null = null;
  const file = openOwnedFile(options, {
    limits: (limits, known) => submit?.({ kind: "limits_changed", limits, known }),
  });
  const { restore, keys, trouble, close } = file;
  return {
    restore,
    keys,
    trouble,
    close,
    connect(toLoop) {
      submit = toLoop;
      return file.commits(toLoop);
    },
  };
}
