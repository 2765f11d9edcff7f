import { destination, pino } from "pino";
import type { Logger } from "pino";

export type Log = Logger;

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

/** Lines are gathered until they are this many bytes, or this old in ms: one write for each would cost more than the line. */
const LINES_BYTES = 8 * 1024;
const LINES_MS = 100;

/** JSON lines on standard output. What is still gathered at exit is written then. */
export function createLog(level: LogLevel): Log {
  return pino(
    {
      level,
      base: null,
      messageKey: "message",
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination({ dest: 1, sync: false, minLength: LINES_BYTES, periodicFlush: LINES_MS }),
  );
}
