import { MICROS_PER_MILLI, MICROS_PER_SECOND } from "../../../core/units.ts";
import { type Row, rowsOf, tokensIn } from "./fields.ts";
import { problemAt } from "./lines.ts";
import { type TraceReader, USUAL_BLOCK_TOKENS } from "./trace-reader.ts";

const COLUMNS = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"];

/** Azure's traces of 2023 (Splitwise, ISCA '24): arrivals with their lengths, and nothing of who sent them. */
export const azure: TraceReader = {
  format: "azure",
  source: "Azure LLM inference trace 2023 (Splitwise, ISCA '24), Azure/AzurePublicDataset, CC-BY-4.0",
  blockTokens: USUAL_BLOCK_TOKENS,
  async *read(path, { tenantColumn }) {
    const columns = tenantColumn === null ? COLUMNS : [...COLUMNS, tenantColumn];
    for await (const row of rowsOf(path, columns)) {
      yield {
        atUs: momentUs(row),
        tenant: tenantColumn === null ? "azure" : row.field(tenantColumn),
        promptTokens: tokensIn(row, "ContextTokens", 1),
        outputTokens: tokensIn(row, "GeneratedTokens", 0),
        blocks: [],
      };
    }
  },
};

/** `2023-11-16 18:17:03.9799600`, in UTC; the fraction may have any number of digits, or be missing. */
function momentUs(row: Row): number {
  const text = row.field("TIMESTAMP");
  const parts = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d+)?$/.exec(text);
  const ms = parts === null ? Number.NaN : Date.parse(`${parts[1]}T${parts[2]}Z`);
  if (Number.isNaN(ms)) {
    throw problemAt(
      row.path,
      row.line.number,
      `TIMESTAMP must be like 2023-11-16 18:17:03.97, not "${text}"`,
    );
  }
  return ms * MICROS_PER_MILLI + Math.round(Number(`0${parts![3] ?? ""}`) * MICROS_PER_SECOND);
}
