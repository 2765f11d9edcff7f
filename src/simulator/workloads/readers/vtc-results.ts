import * as z from "zod";
import { type Micros, seconds } from "../../../core/units.ts";
import { WorkloadProblem } from "../problem.ts";
import { linesOf, parseJson, problemAt } from "./lines.ts";
import { type TraceReader, USUAL_BLOCK_TOKENS } from "./trace-reader.ts";

const ADAPTER_PREFIX = /^dummy-lora-.*-rank-\d+-/;

const RESULT = z.object({
  result: z.object({
    total_time: z.number().positive(),
    responses: z.array(
      z.object({
        adapter_dir: z.string(),
        prompt_len: z.int().positive(),
        output_len: z.int().nonnegative(),
        req_time: z.number().nonnegative(),
        first_token_latency: z.number(),
        request_latency: z.number(),
      }),
    ),
  }),
});

/** One run of the VTC paper's system on its GPU, as it was measured. */
export interface MeasuredRun {
  /** Until the last answer was there. */
  totalUs: Micros;
  responses: MeasuredResponse[];
}

export interface MeasuredResponse {
  tenant: string;
  promptTokens: number;
  outputTokens: number;
  arrivedUs: Micros;
  /** Null for a request that was refused. */
  firstTokenUs: Micros | null;
  endUs: Micros;
}

/**
 * The runs in one of the artifact's `all_results_*.jsonl` files, which may be compressed: one a line. Clients appear there as
 * names of adapters, which end in their number. Throws WorkloadProblem at the line that is wrong.
 */
export async function readVtcResults(path: string): Promise<MeasuredRun[]> {
  const runs: MeasuredRun[] = [];
  for await (const { text, number } of linesOf(path)) {
    const parsed = RESULT.safeParse(parseJson(text));
    if (!parsed.success) throw problemAt(path, number, z.prettifyError(parsed.error));
    const { total_time, responses } = parsed.data.result;
    runs.push({ totalUs: seconds(total_time), responses: responses.map(measured) });
  }
  return runs;
}

function measured(response: z.infer<typeof RESULT>["result"]["responses"][number]): MeasuredResponse {
  const { adapter_dir, prompt_len, output_len, req_time, first_token_latency, request_latency } = response;
  const isRefused = first_token_latency < 0;
  return {
    tenant: adapter_dir.replace(ADAPTER_PREFIX, "client-"),
    promptTokens: prompt_len,
    outputTokens: output_len,
    arrivedUs: seconds(req_time),
    firstTokenUs: isRefused ? null : seconds(req_time + first_token_latency),
    endUs: seconds(req_time + Math.max(0, request_latency)),
  };
}

/** The arrivals of such a run, which has to be the only one in its file. */
export const vtcResults: TraceReader = {
  format: "vtc-results",
  source: "VTC (OSDI '24), Ying1123/VTC-artifact, Apache-2.0",
  blockTokens: USUAL_BLOCK_TOKENS,
  async *read(path) {
    const runs = await readVtcResults(path);
    if (runs.length !== 1) throw new WorkloadProblem(`${path} has ${runs.length} runs, and one can be read`);
    for (const { arrivedUs, tenant, promptTokens, outputTokens } of runs[0]!.responses) {
      yield { atUs: arrivedUs, tenant, promptTokens, outputTokens, blocks: [] };
    }
  },
};
