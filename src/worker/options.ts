import type { Logger } from "pino";
import type { WorkerLimits, WorkerRole } from "../core/vocabulary.ts";

/** What a worker process needs to know. All durations are in milliseconds. */
export interface WorkerOptions {
  /** Names the worker to its supervisors; made from host name and port when left out. */
  workerId?: string;
  /** Address other processes reach it at; made from host and port when left out. */
  workerUrl?: string;
  /** An address of this machine that no other reaches. Default 127.0.0.1. */
  host?: string;
  /** 0 lets the system choose. Default 3001. */
  port?: number;
  models: ModelOptions[];
  /** What supervisors use it for. Default "both". */
  role?: WorkerRole;
  /** What it is, by name, such as `{region: "eu"}`: supervisors choose by it. Several values of one are one text with commas. */
  labels?: Readonly<Record<string, string>>;
  /** Base addresses of the supervisors that get heartbeats, such as `http://127.0.0.1:1337`. */
  supervisors?: string[];
  limits?: Partial<WorkerLimits>;
  engine?: EngineOptions;
  timing?: Partial<WorkerTiming>;
  handover?: Partial<HandoverOptions>;
  /** File that gets a line for each generation of a supervisor that ended. Default: none is kept. */
  receipts?: string;
  log: Logger;
  /** Told how far loading has come: `fraction` is 0 to 1, for each model. */
  onProgress?: (model: string, fraction: number) => void;
}

export interface ModelOptions {
  /** The variant's name, as clients and supervisors use it. */
  name: string;
  /** A GGUF file, or a hub address such as `hf:user/repo/file.gguf`. */
  path: string;
  /** Tokens of prompt and answer together. Default: what the model was trained on, at most 8,192. */
  contextTokens?: number;
  /** Generations at the same time. Default 8. */
  slots?: number;
  /** GPUs that they share, for supervisors to count time on: whatever it runs on is one. Default 1. */
  gpus?: number;
}

export interface EngineOptions {
  /** Default "off"; "auto" uses a GPU when a build for it is installed. */
  gpu?: "off" | "auto";
  /** Threads for each model; "measured" (the default) tries some counts at load. */
  threads?: number | "measured";
  /** Where models from a hub are kept. Default: node-llama-cpp's own directory. */
  downloads?: string;
  /** Tokens of an ended generation are kept this long for the next prompt that begins with them. */
  idleKvTtlMs?: number;
}

export interface WorkerTiming {
  heartbeatMs: number;
  /** How long changes in the number of sessions are collected before they are reported. */
  heartbeatDebounceMs: number;
  /** A generation out of credit waits this long for more. */
  creditTtlMs: number;
  /** A prompt evaluated by `POST /worker/prefill` waits this long to be decoded. */
  sessionTtlMs: number;
  /** A reader that takes nothing for this long is dropped. */
  slowReaderMs: number;
  /** Running generations get this long to finish when the worker stops. */
  drainMs: number;
}

/** How generations are handed over from worker to worker. */
export interface HandoverOptions {
  /** States of parked generations that are kept at the same time, and bytes of all their files. */
  statesMax: number;
  stateBytesMax: number;
  /** A parked generation's state is kept this long. */
  stateTtlMs: number;
  /** The sending of a state, and the fetching of one, may take this long. */
  transferMs: number;
  /** Hosts besides this machine that states may be fetched from. */
  hosts: readonly string[];
}

/** Seed 003 names these limits. */
export const LIMITS_DEFAULT: WorkerLimits = {
  sessionsMax: 100,
  sessionKvBytesMax: 512 * 1024 * 1024,
  kvBytesMax: 8 * 1024 * 1024 * 1024,
};

export const TIMING_DEFAULT: WorkerTiming = {
  heartbeatMs: 10_000,
  heartbeatDebounceMs: 200,
  creditTtlMs: 60_000,
  sessionTtlMs: 300_000,
  slowReaderMs: 30_000,
  drainMs: 30_000,
};

export const HANDOVER_DEFAULT: HandoverOptions = {
  statesMax: 64,
  stateBytesMax: 1024 * 1024 * 1024,
  stateTtlMs: 60_000,
  transferMs: 10_000,
  hosts: [],
};

export const ENGINE_DEFAULT = {
  gpu: "off",
  threads: "measured",
  idleKvTtlMs: 300_000,
} as const satisfies EngineOptions;

export const SLOTS_DEFAULT = 8;
export const GPUS_DEFAULT = 1;
export const CONTEXT_TOKENS_DEFAULT = 8_192;
export const PORT_DEFAULT = 3001;
