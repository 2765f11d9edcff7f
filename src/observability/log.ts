import { destination, pino } from "pino";
import type { DestinationStream, Logger } from "pino";

export type Log = Logger;

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

/** JSON lines on standard output. */
export function createLog(level: LogLevel): Log {
  const options = {
    level,
    base: null,
    messageKey: "message",
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return pino(options, gatheredLines());
}

/** Lines are gathered until they are this long together, in UTF-16 units, or this old in ms. */
const LINES_LENGTH = 32 * 1024;
const LINES_MS = 200;

/**
 * Standard output, in few writes: one for each line would cost more than the line. What is still
 * gathered when the process ends, for whatever reason it can tell, is written then.
 */
function gatheredLines(): DestinationStream {
  let lines = "";
  let timer: NodeJS.Timeout | null = null;
  const flush = (): void => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (lines !== "") output.write(lines);
    lines = "";
  };
  // Before the output is there, which closes itself at the same two events: ours has to come first.
  process.once("beforeExit", flush);
  process.once("exit", flush);
  // One write after the other: what is under way in another thread is lost when the process ends.
  const output = destination({ dest: 1, sync: true });
  return {
    write(line) {
      lines += line;
      if (lines.length >= LINES_LENGTH) flush();
      else timer ??= setTimeout(flush, LINES_MS).unref();
    },
  };
}
