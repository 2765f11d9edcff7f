import { createHash } from "node:crypto";
import { open } from "node:fs/promises";

const MIB = 1024 * 1024;
/** Files up to this size are read as a whole. */
const WHOLE_MAX = 64 * MIB;
/** Of larger ones this many pieces are read, evenly spread, the first and the last included. */
const PIECES = 64;

/**
 * Tells model files apart: `sha256:` and the hash of the file, or, where it has more than 64 MiB,
 * `sampled-sha256:` and that of its size and of 64 pieces of 1 MiB from the beginning to the end.
 * So it takes a fraction of a second whatever the size. Every weight of a fine-tuned model
 * differs from the original's, so samples do.
 */
export async function modelHash(path: string): Promise<string> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const hash = createHash("sha256");
    const isWhole = size <= WHOLE_MAX;
    if (!isWhole) hash.update(`${size}\n`);
    const pieces = isWhole ? Math.ceil(size / MIB) : PIECES;
    const step = isWhole ? MIB : (size - MIB) / (PIECES - 1);
    const buffer = Buffer.alloc(MIB);
    for (let piece = 0; piece < pieces; piece++) {
      const { bytesRead } = await file.read(buffer, 0, MIB, Math.floor(piece * step));
      hash.update(buffer.subarray(0, bytesRead));
    }
    return `${isWhole ? "" : "sampled-"}sha256:${hash.digest("hex")}`;
  } finally {
    await file.close();
  }
}
