import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Logger } from "pino";

/** Names of the folders that state files are written in: this, whose they are, and something random. */
const NAME = /^headgate-kv-(\d{1,10})-\w+$/;

/** A new folder that only this user can read, for files that are gone before this process is. */
export function makeStateFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), `headgate-kv-${process.pid}-`));
}

/** Removes the folders of processes that died over a copy and could not do so themselves. Never rejects. */
export async function removeLeftFolders(log: Logger): Promise<void> {
  try {
    for (const name of await readdir(tmpdir())) {
      const owner = NAME.exec(name)?.[1];
      if (owner === undefined || isAlive(Number(owner))) continue;
      await rm(join(tmpdir(), name), { recursive: true, force: true });
      log.info({ folder: name }, "KV cache of a process that died removed");
    }
  } catch (error) {
    log.warn({ err: error }, "temporary folder not searched for what processes that died left there");
  }
}

/** One of another user is alive too, though it can't be signalled. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
