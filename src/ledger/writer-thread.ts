import { parentPort, workerData } from "node:worker_threads";
import { MICROS_PER_MILLI, type Micros } from "../core/units.ts";
import { insertAlert } from "./alert-table.ts";
import { AlertWatch } from "./alert-watch.ts";
import { Chain } from "./audit/chain.ts";
import { type Changes, readChanges, readVersions, type Versions, windowsOf } from "./changes.ts";
import { openDatabase } from "./database.ts";
import type { Field } from "./entry-fields.ts";
import { EntryWriter } from "./entry-writer.ts";
import { readLimits } from "./limit-table.ts";
import { inTransaction } from "./transaction.ts";

/** What the thread starts from. */
export interface WriterThreadData {
  path: string;
  /** Limits and keys up to these versions are known. */
  known: Versions;
}

/** A group of entries to write, or, as null, the end: a last snapshot, and the file is closed. */
export type WriterOrder = readonly Field[] | null;

/** The answer to each order, in turn; and, whenever it happens, what others have changed in the file. */
export type WriterReport = { kind: "written" } | { kind: "changed"; changes: Changes };

/** How soon a limit set by a command binds, a disabled key is refused, and an alert is raised, in ms. */
const LOOK_MS = 200;

/**
 * The thread that waits for the disk, so that the supervisor's does not have to. Whatever goes wrong
 * here ends it, and nothing of the group under way is durable then; the next thread opens the file
 * anew and goes on where the file ends.
 */
const { path, ...start } = workerData as WriterThreadData;
const port = parentPort!;
const database = openDatabase(path);
const chain = new Chain(database);
const writer = new EntryWriter(database, chain);
const watch = new AlertWatch(writer.accounts);
let { known } = start;

/** Changes with every commit, except our own. */
const dataVersion = database.prepare("PRAGMA data_version");
let seenDataVersion = -1;

/** Limits count from the entry on that was written last: what was used before is added up, what is written later is not in it. */
function lookForChanges(): void {
  const version = dataVersion.get()!["data_version"] as number;
  if (version === seenDataVersion) return;
  seenDataVersion = version;
  const { limits, keys } = readVersions(database);
  if (limits <= known.limits && keys <= known.keys) return;
  const changes = inTransaction(database, () => {
    writer.track({ after: known.limits, nowUs: nowUs() });
    return readChanges(database, known, (changed) => writer.known(windowsOf(changed)));
  });
  known = changes.through;
  watch.setLimits(changes.limits, nowUs());
  port.postMessage({ kind: "changed", changes } satisfies WriterReport);
}

function raiseAlerts(): void {
  if (!watch.isAnythingToLookAt) return;
  const alerts = watch.look(nowUs());
  if (alerts.length === 0) return;
  inTransaction(database, () => {
    for (const alert of alerts) insertAlert(database, alert);
  });
}

function look(): void {
  lookForChanges();
  raiseAlerts();
}

function nowUs(): Micros {
  return Date.now() * MICROS_PER_MILLI;
}

inTransaction(database, () => {
  // Others may have told of limits that the thread before this one did not get to.
  writer.track({ after: 0, nowUs: nowUs() });
  chain.unattributed();
  watch.setLimits(readLimits(database, { after: 0 }).limits, nowUs());
});
const looking = setInterval(look, LOOK_MS);
look();

port.on("message", (order: WriterOrder) => {
  if (order !== null) {
    watch.add(writer.write(order));
    return port.postMessage({ kind: "written" } satisfies WriterReport);
  }
  clearInterval(looking);
  raiseAlerts();
  writer.close();
  chain.checkpoint({ balances: true });
  database.close();
  port.postMessage({ kind: "written" } satisfies WriterReport);
  port.close();
});
