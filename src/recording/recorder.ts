import { closeSync, openSync, writeSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import packageJson from "../../package.json" with { type: "json" };
import type { CoreConfig } from "../core/config.ts";
import type { Effect } from "../core/effects.ts";
import type { SupervisorEvent } from "../core/events.ts";
import { type Micros, seconds } from "../core/units.ts";
import { EffectsHash } from "./effects-hash.ts";
import type { RecordedEvent, RecordingFooter, RecordingHeader } from "./format.ts";

/** What is kept in memory at most before it is written, in characters and in time between two events. */
const PENDING_CHARACTERS_MAX = 65_536;
const PENDING_US_MAX = seconds(1);

/** Takes the two hooks of an observer port that a recording is made of. */
export interface Recorder {
  event(nowUs: Micros, event: SupervisorEvent): void;
  effects(effects: readonly Effect[]): void;
  /** Writes what is left and the footer. */
  close(): RecordingFooter;
}

/**
 * Records a run into a new file. Writes are synchronous, so what has been written survives
 * `kill -9` up to its last complete line; only the footer is missing then. Throws when the
 * configuration has values that JSON cannot carry, such as Infinity.
 */
export function createRecorder(path: string, config: CoreConfig): Recorder {
  if (!isDeepStrictEqual(JSON.parse(JSON.stringify(config)), config)) {
    throw new Error("The configuration cannot be recorded: JSON does not carry all of its values.");
  }
  const file = openSync(path, "w");
  const hash = new EffectsHash();
  const header: RecordingHeader = { headgate: packageJson.version, config };
  let pending = "";
  let pendingSinceUs: Micros | null = null;
  let events = 0;

  const flush = (): void => {
    writeWhole(file, pending);
    pending = "";
    pendingSinceUs = null;
  };
  const append = (line: unknown): void => {
    pending += `${JSON.stringify(line)}\n`;
  };

  append(header);
  flush();
  return {
    event(nowUs, event) {
      const line: RecordedEvent = [nowUs, event];
      append(line);
      events++;
      pendingSinceUs ??= nowUs;
      if (pending.length >= PENDING_CHARACTERS_MAX || nowUs - pendingSinceUs >= PENDING_US_MAX) flush();
    },
    effects(effects) {
      hash.add(effects);
    },
    close() {
      const footer: RecordingFooter = { events, effects: hash.effects, hash: hash.digest() };
      append(footer);
      flush();
      closeSync(file);
      return footer;
    },
  };
}

/** A file may take less than it is given, when the disk is nearly full for example. */
function writeWhole(file: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let written = 0; written < bytes.length;) written += writeSync(file, bytes, written);
}
