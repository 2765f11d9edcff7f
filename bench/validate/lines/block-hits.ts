import { blockHits } from "../../../src/simulator/workloads/block-hits.ts";
import { readWorkload } from "../../../src/simulator/workloads/read-workload.ts";
import type { Line, ValidationGroup } from "../line.ts";
import { sharedData } from "../shared-data.ts";

const BLOCK_TOKENS = 512;
const DIGITS = 4;

/** Tokens of one cache, and the share of blocks it has had of each trace. */
const CACHES: readonly { tokens: number; conversation: string; synthetic: string }[] = [
  { tokens: Infinity, conversation: "0.36641", synthetic: "0.63960" },
  { tokens: 3e6, conversation: "0.1355", synthetic: "0.3094" },
  { tokens: 50e6, conversation: "0.3635", synthetic: "0.6396" },
];

export const blockHitsGroup: ValidationGroup = {
  name: "block-hits",
  source:
    "Mooncake (FAST '25), one cache for all of a trace, least recently used goes first; to as many digits as are given",
  command: "npm run validate -- --only block-hits",
  async *run() {
    for (const name of ["conversation", "synthetic"] as const) {
      const trace = sharedData("traces", "mooncake", `${name}_trace.jsonl`);
      const workload = trace.exists ? await readWorkload("mooncake", trace.path) : null;
      for (const cache of CACHES) {
        const blocks = Math.floor(cache.tokens / BLOCK_TOKENS);
        const size = cache.tokens === Infinity ? "that never forgets" : `of ${blocks} blocks`;
        const line: Omit<Line, "got" | "verdict"> = {
          what: `${name}, a cache ${size}`,
          expected: cache[name],
          halfWidth: null,
          note: `core's BlockLru`,
          seconds: 0,
        };
        if (workload === null) {
          yield { ...line, got: null, verdict: "skipped", note: `${trace.path} is not there` };
          continue;
        }
        const startMs = performance.now();
        const digits = Math.max(DIGITS, cache[name].length - "0.".length);
        const got = blockHits(workload, blocks).share.toFixed(digits);
        const seconds = (performance.now() - startMs) / 1_000;
        yield { ...line, got, verdict: got === cache[name] ? "holds" : "missed", seconds };
      }
    }
  },
};
