import { createReadStream } from "node:fs";
import { createGunzip } from "node:zlib";
import { WorkloadProblem } from "../problem.ts";

/** One line of a text file, without its end; numbers count from 1. */
export interface TextLine {
  text: string;
  number: number;
}

/** Longer than any prompt's chain of blocks; a file without line ends is not read into memory for its sake. */
const LINE_CHARACTERS_MAX = 16 * 2 ** 20;

/**
 * The lines of a UTF-8 file, which may end in `\n` or `\r\n` and be compressed if the name ends in `.gz`; empty ones
 * are left out. Throws WorkloadProblem when the file can't be read, and when a line is longer than 16 Mi characters.
 */
export async function* linesOf(path: string): AsyncGenerator<TextLine> {
  let rest = "";
  let number = 0;
  for await (const chunk of textOf(path)) {
    const pieces = (rest + chunk).split("\n");
    rest = pieces.pop()!;
    for (const piece of pieces) {
      number++;
      const text = piece.endsWith("\r") ? piece.slice(0, -1) : piece;
      if (text !== "") yield { text, number };
    }
    if (rest.length > LINE_CHARACTERS_MAX) throw problemAt(path, number + 1, "the line is too long");
  }
  if (rest !== "") yield { text: rest, number: number + 1 };
}

export function problemAt(path: string, line: number, message: string): WorkloadProblem {
  return new WorkloadProblem(`${path}:${line}: ${message}`);
}

/** Undefined, which no schema takes, where it is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Its text, piece by piece. */
async function* textOf(path: string): AsyncGenerator<string> {
  const file = createReadStream(path);
  const decoder = new TextDecoder();
  try {
    if (path.endsWith(".gz")) {
      const gunzip = createGunzip();
      // An error of the file has to reach whoever reads from the other end.
      file.once("error", (error) => gunzip.destroy(error));
      for await (const chunk of file.pipe(gunzip)) yield decoder.decode(chunk as Buffer, { stream: true });
    } else {
      for await (const chunk of file) yield decoder.decode(chunk as Buffer, { stream: true });
    }
  } catch (error) {
    throw new WorkloadProblem(`${path} can't be read: ${(error as Error).message}`);
  } finally {
    file.destroy();
  }
}
