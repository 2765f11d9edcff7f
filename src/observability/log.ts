import { destination, pino } from "pino";
import type { Logger } from "pino";

export type Log = Logger;

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

/** JSON lines on standard output. Lines are gathered for a moment before they are written, and written at exit. */
export function createLog(level: LogLevel): Log {
  return pino(
    { level, base: null, timestamp: () => `,"time":"${new Date().toISOString()}"`, messageKey: "message" },
    destination({ dest: 1, sync: false, minLength: 0 }),
  );
}
