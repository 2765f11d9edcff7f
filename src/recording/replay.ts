import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { Supervisor } from "../core/supervisor.ts";
import { EffectsHash } from "./effects-hash.ts";
import type { RecordedEvent, RecordingFooter, RecordingHeader } from "./format.ts";

export interface ReplayReport {
  /** Version of Headgate that recorded. */
  headgate: string;
  events: number;
  effects: number;
  /** Of the effects decided now. */
  hash: string;
  /** Of the effects decided then; null when the recording was cut off before its footer. */
  recordedHash: string | null;
  /** Whether the same was decided now as then. */
  identical: boolean;
}

/** Feeds recorded events to a new supervisor. Rejects when the file is not a recording or is damaged in its middle. */
export async function replay(path: string): Promise<ReplayReport> {
  const lines = parsedLines(path);
  const first = await lines.next();
  if (first.done === true || !isHeader(first.value)) {
    throw new Error(`${path} is not a recording: its first line names no headgate version and config.`);
  }
  const supervisor = new Supervisor(first.value.config);
  const hash = new EffectsHash();
  let events = 0;
  let footer: RecordingFooter | null = null;
  for await (const line of lines) {
    if (!isEvent(line)) {
      footer = line as RecordingFooter;
      break;
    }
    hash.add(supervisor.handle(...line));
    events++;
  }
  const effects = hash.effects;
  const digest = hash.digest();
  return {
    headgate: first.value.headgate,
    events,
    effects,
    hash: digest,
    recordedHash: footer?.hash ?? null,
    identical: footer !== null && footer.events === events && footer.hash === digest,
  };
}

/** Every line, parsed; a last one that was cut off in its middle is left out. */
async function* parsedLines(path: string): AsyncGenerator<unknown, void> {
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Infinity });
  let number = 0;
  let damaged: number | null = null;
  for await (const line of lines) {
    if (damaged !== null) throw new Error(`Line ${damaged} of ${path} is not JSON.`);
    number++;
    const parsed = parse(line);
    if (parsed === undefined) damaged = number;
    else yield parsed;
  }
}

/** Undefined for what is not JSON. */
function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function isHeader(line: unknown): line is RecordingHeader {
  return typeof line === "object" && line !== null && "headgate" in line && "config" in line;
}

function isEvent(line: unknown): line is RecordedEvent {
  return Array.isArray(line);
}
