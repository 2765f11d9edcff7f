import type { LedgerEntry } from "../../core/budget/ledger-entry.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import type { LeaseOrder } from "../../core/leasing/lease.ts";
import type { Micros } from "../../core/units.ts";
import type { KeyRow } from "../../keys/key-table.ts";
import type { Versions } from "../changes.ts";

/**
 * One end of a line between the process that keeps the ledger and a replica of the supervisor. What is sent arrives in
 * that order, or not at all from some message on.
 */
export interface Channel<Sent, Received> {
  send(message: Sent): void;
  /** Call once. */
  onMessage(callback: (message: Received) => void): void;
}

/**
 * From a replica:
 * - `ledger`: what it appends and asks for, in the order in which it did; an entry has an `operation`, an order a `kind`;
 * - `touch`: it is there, and wants to know whether the keeper is;
 * - `look`: somebody has come with a secret that nobody knows: the file may say more than was told.
 */
export type ReplicaMessage =
  | { kind: "ledger"; items: LedgerItem[] }
  | { kind: "touch"; sentUs: Micros }
  | { kind: "look" };

export type LedgerItem = LedgerEntry | LeaseOrder;

/**
 * To a replica:
 * - `events`: for its core; the first of all is `ledger_restored`;
 * - `keys`: those that have changed, once it was told of all limits up to that version;
 * - `trouble`: why nothing can be made durable; null when it can again.
 */
export type KeeperMessage =
  | { kind: "events"; events: SupervisorEvent[] }
  | { kind: "keys"; keys: KeyRow[]; through: Versions }
  | { kind: "trouble"; words: string | null };
