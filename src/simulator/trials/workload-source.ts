import { closeSync, openSync, readSync, statSync } from "node:fs";
import { readWorkload, WORKLOAD_FORMATS } from "../workloads/read-workload.ts";
import { SYNTHETIC_KINDS, synthesise } from "../workloads/synthetic/synthesise.ts";
import type { Workload } from "../workloads/workload.ts";

/** Where a workload comes from, as a command line says it. */
export interface WorkloadSource {
  /** A trace's file or folder, or the description of a synthetic workload. */
  spec: string;
  /** One of `SOURCE_FORMATS`; found out by the look of it if absent. */
  format?: string;
  fromS?: number;
  untilS?: number;
  /** So many at most. */
  requests?: number;
}

const SYNTHETIC = "synthetic";
export const SOURCE_FORMATS: readonly string[] = [...WORKLOAD_FORMATS, SYNTHETIC];

/** The first line of a file tells its format. */
const LOOK_BYTES = 4_096;
const PART_SEEDS = 100;

/**
 * Loads a workload. Where chance makes one, the seed decides it, unless its description has a seed of its own.
 * Rejects with what is wrong with the file or the description.
 */
export async function loadWorkload(source: WorkloadSource, seed: number): Promise<Workload> {
  const { spec, fromS, untilS, requests } = source;
  const format = source.format ?? formatOf(spec);
  if (format === SYNTHETIC) return partOf(synthesise(seeded(spec, seed)), source);
  return readWorkload(format, spec, {
    seed,
    ...(fromS === undefined ? {} : { fromSeconds: fromS }),
    ...(untilS === undefined ? {} : { untilSeconds: untilS }),
    ...(requests === undefined ? {} : { requestsMax: requests }),
  });
}

/** What a trace looks like, or a description. Throws when it is neither. */
export function formatOf(spec: string): string {
  if (SYNTHETIC_KINDS.includes(/^[^:]*/.exec(spec)![0])) return SYNTHETIC;
  const stat = statSync(spec, { throwIfNoEntry: false });
  if (stat === undefined) {
    throw new Error(
      `--workload: there is no file ${spec}. Give a trace, or a description that begins with ${SYNTHETIC_KINDS.join(", ")}.`,
    );
  }
  if (stat.isDirectory()) return "servegen";
  const look = firstLine(spec);
  if (look.includes('"hash_ids"')) return "mooncake";
  if (look.includes('"adapter_dir"') || look.includes("'adapter_dir'")) return "vtc-results";
  if (look.includes("ContextTokens")) return "azure";
  if (look.includes("arrival_s")) return "vtc-trace";
  throw new Error(`--workload: ${spec} does not look like a known trace: say which with --format.`);
}

function firstLine(path: string): string {
  const file = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(LOOK_BYTES);
    return bytes.toString("utf8", 0, readSync(file, bytes));
  } finally {
    closeSync(file);
  }
}

/** Each part gets a seed of its own, so that equal ones don't go in step. */
function seeded(description: string, seed: number): string {
  return description
    .split(" + ")
    .map((part, i) => {
      if (/[:,]\s*seed=/.test(part)) return part;
      return `${part}${part.includes(":") ? "," : ":"}seed=${(seed * PART_SEEDS + i) % 2 ** 32}`;
    })
    .join(" + ");
}

function partOf(
  workload: Workload,
  { spec, fromS = 0, untilS = Infinity, requests = Infinity }: WorkloadSource,
): Workload {
  const [fromUs, untilUs] = [fromS * 1e6, untilS * 1e6];
  const kept = workload.requests.filter(({ atUs }) => atUs >= fromUs && atUs < untilUs).slice(0, requests);
  if (kept.length === 0) throw new Error("--from, --until: nothing arrives in between.");
  // Those that follow count from the beginning of the whole.
  return { ...workload, name: spec, requests: kept };
}
