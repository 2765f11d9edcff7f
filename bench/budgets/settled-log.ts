import { readFileSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Lines are gathered for a while before they are written. */
const LOOK_MS = 50;
const LOOKS_MAX = 100;

interface SettledLine {
  message: string;
  stages_ms?: { reserve?: number };
}

/** What Headgate's log says of requests that are over, from where it ends now. */
export class SettledLog {
  readonly #path: string;
  readonly #from: number;

  constructor(path: string) {
    this.#path = path;
    this.#from = statSync(path).size;
  }

  /**
   * How long each of the last `count` requests stood at `reserve`: from when its hold was taken until it would have survived
   * a crash, in ms, sorted. Throws when the log does not come to so many.
   */
  async reserveMs(count: number): Promise<number[]> {
    for (let look = 0; look < LOOKS_MAX; look++) {
      const times = this.#read();
      if (times.length >= count) return times.slice(-count).sort((a, b) => a - b);
      await sleep(LOOK_MS);
    }
    throw new Error(`${this.#path} does not tell of ${count} requests`);
  }

  #read(): number[] {
    const text = readFileSync(this.#path).toString("utf8", this.#from);
    // What is behind the last line feed is still being written.
    const lines = text.split("\n").slice(0, -1);
    return lines.flatMap((line) => {
      const { message, stages_ms } = JSON.parse(line) as SettledLine;
      return message === "request settled" && stages_ms?.reserve !== undefined ? [stages_ms.reserve] : [];
    });
  }
}
