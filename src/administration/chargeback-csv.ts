import type { Chargeback } from "./chargeback.ts";

/** The columns that every line has, after what lines are told apart by. */
export const AMOUNT_COLUMNS = [
  "requests",
  "input_tokens",
  "cached_tokens",
  "output_tokens",
  "reasoning_tokens",
  "gpu_seconds",
  "usd",
  "in_doubt_usd",
  "in_doubt_gpu_seconds",
] as const;

/** A header, the lines, and as the last line the total: `total` stands in its first column. */
export function chargebackRows({ by, lines, total }: Chargeback): string[][] {
  const header = [...by, ...AMOUNT_COLUMNS];
  const rows = lines.map((line) => header.map((column) => String(line[column] ?? "")));
  const names = by.map((_, i) => (i === 0 ? "total" : ""));
  return [header, ...rows, [...names, ...AMOUNT_COLUMNS.map((column) => String(total[column]))]];
}

/** As RFC 4180 has it. */
export function chargebackCsv(report: Chargeback): string {
  return chargebackRows(report)
    .map((cells) => `${cells.map(cell).join(",")}\r\n`)
    .join("");
}

/** A name that a spreadsheet would take for a formula is marked as text: clients choose names of models. */
function cell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
