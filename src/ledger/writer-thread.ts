import { parentPort, workerData } from "node:worker_threads";
import { type Changes, readChanges, type Versions } from "./changes.ts";
import { openDatabase } from "./database.ts";
import type { Field } from "./entry-fields.ts";
import { EntryWriter } from "./entry-writer.ts";

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

/** How soon a limit set by a command binds, and a disabled key is refused, in ms. */
const LOOK_MS = 200;

/**
 * The thread that waits for the disk, so that the supervisor's does not have to. Whatever goes wrong
 * here ends it, and nothing of the group under way is durable then; the next thread opens the file
 * anew and goes on where the file ends.
 */
const { path, ...start } = workerData as WriterThreadData;
const port = parentPort!;
const database = openDatabase(path);
const writer = new EntryWriter(database);
let { known } = start;

/** Changes with every commit, except our own. */
const dataVersion = database.prepare("PRAGMA data_version");
let seenDataVersion = -1;

function look(): void {
  const version = dataVersion.get()!["data_version"] as number;
  if (version === seenDataVersion) return;
  seenDataVersion = version;
  const changes = readChanges(database, known);
  known = changes.through;
  if (changes.limits.length === 0 && changes.keys.length === 0) return;
  port.postMessage({ kind: "changed", changes } satisfies WriterReport);
}

const looking = setInterval(look, LOOK_MS);
look();

port.on("message", (order: WriterOrder) => {
  if (order !== null) {
    writer.write(order);
    return port.postMessage({ kind: "written" } satisfies WriterReport);
  }
  clearInterval(looking);
  writer.close();
  database.close();
  port.postMessage({ kind: "written" } satisfies WriterReport);
  port.close();
});
