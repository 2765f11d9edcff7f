import { seconds } from "../../../core/units.ts";
import { numberIn, rowsOf, tokensIn } from "./fields.ts";
import { type TraceReader, USUAL_BLOCK_TOKENS } from "./trace-reader.ts";

/** The trace of the VTC paper's evaluation (OSDI '24): arrivals in seconds, and the client of each. */
export const vtcTrace: TraceReader = {
  format: "vtc-trace",
  source: "VTC (OSDI '24), Ying1123/VTC-artifact, Apache-2.0",
  blockTokens: USUAL_BLOCK_TOKENS,
  async *read(path, { tenantColumn }) {
    const tenant = tenantColumn ?? "client";
    for await (const row of rowsOf(path, ["arrival_s", "input_tokens", "output_tokens", tenant])) {
      yield {
        atUs: seconds(numberIn(row, "arrival_s")),
        tenant: tenantColumn === null ? `client-${row.field(tenant)}` : row.field(tenant),
        promptTokens: tokensIn(row, "input_tokens", 1),
        outputTokens: tokensIn(row, "output_tokens", 0),
        blocks: [],
      };
    }
  },
};
