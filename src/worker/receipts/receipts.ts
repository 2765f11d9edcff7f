import type { Logger } from "pino";
import { z } from "zod";
import { ReceiptsFile } from "./receipts-file.ts";

/** This many are kept to be asked for; the file has them all for longer. */
const KNOWN_MAX = 100_000;

const receiptSchema = z.object({
  id: z.string(),
  supervisor: z.string(),
  model: z.string(),
  prompt_tokens: z.int(),
  cached_tokens: z.int(),
  /** Those generated here: receipts of one answer on several workers add up. */
  completion_tokens: z.int(),
  /** Tokens that the answer had already; the prompt is on the receipt of whoever began it. */
  continued_from: z.int().optional(),
  finish_reason: z.enum(["stop", "length", "cancelled", "credit_expired", "parked", "error"]),
  /** For how long its choices took slots, all of them together, in µs; absent where an earlier version has written it. */
  ran_us: z.int().optional(),
  /** Milliseconds since 1970. */
  at_ms: z.number(),
});

/** What a generation of a supervisor came to, all its choices together. */
export type Receipt = z.output<typeof receiptSchema>;

/**
 * Receipts of what was generated here, so that a supervisor which lost sight of a generation,
 * because it or this worker died, can learn later what it came to.
 *
 * A receipt is known at once and reaches the disk soon: no answer waits for it.
 */
export class Receipts {
  readonly #file: ReceiptsFile;
  /** In the order they came; of two with the same id the later counts. */
  readonly #known = new Map<string, Receipt>();

  private constructor(file: ReceiptsFile) {
    this.#file = file;
  }

  /** Reads what earlier lives of the worker wrote. Rejects when the file can't be written. */
  static async open(options: { path: string; log: Logger }): Promise<Receipts> {
    const { file, lines } = await ReceiptsFile.open(options);
    const receipts = new Receipts(file);
    for (const line of lines) {
      const receipt = parseReceipt(line);
      if (receipt !== null) receipts.#remember(receipt);
    }
    return receipts;
  }

  add(receipt: Receipt): void {
    this.#remember(receipt);
    this.#file.append(JSON.stringify(receipt));
  }

  /** Those among the wanted that are known. */
  find(ids: readonly string[]): Receipt[] {
    return [...new Set(ids)].flatMap((id) => this.#known.get(id) ?? []);
  }

  /** Resolves when all of them are on disk. */
  close(): Promise<void> {
    return this.#file.close();
  }

  #remember(receipt: Receipt): void {
    this.#known.delete(receipt.id);
    this.#known.set(receipt.id, receipt);
    if (this.#known.size <= KNOWN_MAX) return;
    const [oldest] = this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
  }
}

/** Null for a line that is none: the last one, if the process or the machine died over it. */
function parseReceipt(line: string): Receipt | null {
  try {
    return receiptSchema.safeParse(JSON.parse(line)).data ?? null;
  } catch {
    return null;
  }
}
