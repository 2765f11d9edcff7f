import { linesOf, problemAt, type TextLine } from "./lines.ts";

/** Longer than any context: a length beyond it is a mistake in the file. */
const TOKENS_MAX = 100_000_000;

/** One record of a comma-separated file, by the names in its first line. */
export interface Row {
  line: TextLine;
  path: string;
  field(name: string): string;
}

/**
 * Records of a comma-separated file whose first line names `columns`, in any order and among others. Fields are not
 * quoted in any of the formats. Throws WorkloadProblem at the line that is wrong.
 */
export async function* rowsOf(path: string, columns: readonly string[]): AsyncGenerator<Row> {
  let names: readonly string[] | null = null;
  for await (const line of linesOf(path)) {
    const fields = line.text.split(",");
    if (names === null) {
      const missing = columns.filter((column) => !fields.includes(column));
      if (missing.length > 0) throw problemAt(path, line.number, `no column ${missing.join(", ")}`);
      names = fields;
      continue;
    }
    if (fields.length !== names.length) {
      throw problemAt(path, line.number, `${fields.length} fields, and ${names.length} columns`);
    }
    const positions = names;
    yield { line, path, field: (name) => fields[positions.indexOf(name)]! };
  }
}

/** A number of tokens, at least `least`. */
export function tokensIn(row: Row, column: string, least: number): number {
  const text = row.field(column);
  const tokens = Number(text);
  if (text !== "" && Number.isInteger(tokens) && tokens >= least && tokens <= TOKENS_MAX) return tokens;
  throw problemAt(row.path, row.line.number, `${column} must be a whole number from ${least}, not "${text}"`);
}

/** A number that is not negative. */
export function numberIn(row: Row, column: string): number {
  const text = row.field(column);
  const value = Number(text);
  if (text !== "" && Number.isFinite(value) && value >= 0) return value;
  throw problemAt(row.path, row.line.number, `${column} must be a number from 0, not "${text}"`);
}
