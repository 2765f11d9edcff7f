import type { FileHandle } from "node:fs/promises";
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { Logger } from "pino";

/** A file that has grown to this becomes the older of two, and the one before it is gone. */
const FILE_BYTES_MAX = 16 * 1024 * 1024;
/** A disk that stalls can't take the memory with it. */
const PENDING_LINES_MAX = 100_000;
/** Only the owner reads them: they tell who used what. */
const MODE = 0o600;

/**
 * Lines in a file that outlive the process, and the machine a moment later.
 *
 * ```
 *   append ─▶ pending ─▶ written together ─▶ fsync ─▶ the next that are pending …
 * ```
 * There is one fsync under way at most, and it is for all lines that came while the last one was.
 */
export class ReceiptsFile {
  readonly #path: string;
  readonly #log: Logger;
  #handle: FileHandle;
  #bytes: number;
  #pending: string[] = [];
  #writing: Promise<void> | null = null;
  #failed = false;

  private constructor(options: { path: string; log: Logger; handle: FileHandle; bytes: number }) {
    this.#path = options.path;
    this.#log = options.log;
    this.#handle = options.handle;
    this.#bytes = options.bytes;
  }

  /** Answers the lines that are there besides, the oldest first; the last may be torn. */
  static async open(options: {
    path: string;
    log: Logger;
  }): Promise<{ file: ReceiptsFile; lines: string[] }> {
    const { log } = options;
    const path = resolve(options.path);
    await mkdir(dirname(path), { recursive: true });
    const older = await readIfThere(olderPath(path));
    const newer = await readIfThere(path);
    const handle = await open(path, "a", MODE);
    // Behind a torn line the next would be torn too.
    if (newer !== "" && !newer.endsWith("\n")) await handle.appendFile("\n");
    const { size } = await handle.stat();
    const file = new ReceiptsFile({ path, log, handle, bytes: size });
    await syncFolder(path);
    return { file, lines: [...older.split("\n"), ...newer.split("\n")].filter((line) => line !== "") };
  }

  append(line: string): void {
    if (this.#pending.length >= PENDING_LINES_MAX) this.#pending.shift();
    this.#pending.push(line);
    this.#writing ??= this.#write();
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#handle.close();
  }

  /** Never rejects: a full disk must not end answers. */
  async #write(): Promise<void> {
    // What comes in this turn of the event loop is written together.
    await Promise.resolve();
    while (this.#pending.length > 0) {
      const lines = this.#pending;
      this.#pending = [];
      try {
        await this.#writeDown(lines.map((line) => `${line}\n`).join(""));
        if (this.#failed) this.#log.info({ path: this.#path }, "receipts are written again");
        this.#failed = false;
      } catch (error) {
        if (!this.#failed) this.#log.error({ err: error, path: this.#path }, "receipts not written");
        this.#failed = true;
      }
    }
    this.#writing = null;
  }

  async #writeDown(text: string): Promise<void> {
    if (this.#bytes >= FILE_BYTES_MAX) await this.#rotate();
    // What failed may have left a part of a line.
    const whole = this.#failed ? `\n${text}` : text;
    await this.#handle.appendFile(whole);
    this.#bytes += Buffer.byteLength(whole);
    await this.#handle.datasync();
  }

  async #rotate(): Promise<void> {
    // Windows renames no open file.
    await this.#handle.close();
    try {
      await rename(this.#path, olderPath(this.#path));
    } finally {
      this.#handle = await open(this.#path, "a", MODE);
    }
    this.#bytes = 0;
    await syncFolder(this.#path);
  }
}

function olderPath(path: string): string {
  return `${path}.1`;
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}

/** A new name is safe once the folder is. Windows can't sync folders, and needs no telling. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const folder = await open(dirname(path), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
