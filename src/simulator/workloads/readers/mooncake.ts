import * as z from "zod";
import { MICROS_PER_MILLI } from "../../../core/units.ts";
import { linesOf, parseJson, problemAt } from "./lines.ts";
import type { TraceReader } from "./trace-reader.ts";

const BLOCK_TOKENS = 512;

const RECORD = z.object({
  timestamp: z.number().nonnegative(),
  input_length: z.int().positive(),
  output_length: z.int().nonnegative(),
  hash_ids: z.array(z.int().nonnegative()),
});

/**
 * Mooncake's traces (FAST '25): a JSON object a line, `timestamp` in ms, and `hash_ids`, which stand for blocks of 512
 * tokens of the prompt, each for itself and all before it.
 */
export const mooncake: TraceReader = {
  format: "mooncake",
  source: "Mooncake (FAST '25), kvcache-ai/Mooncake, Apache-2.0",
  blockTokens: BLOCK_TOKENS,
  async *read(path) {
    for await (const { text, number } of linesOf(path)) {
      const record = RECORD.safeParse(parseJson(text));
      if (!record.success) throw problemAt(path, number, z.prettifyError(record.error));
      const {
        timestamp,
        input_length: promptTokens,
        output_length: outputTokens,
        hash_ids: blocks,
      } = record.data;
      if (blocks.length !== Math.ceil(promptTokens / BLOCK_TOKENS)) {
        throw problemAt(path, number, `${promptTokens} tokens don't make ${blocks.length} blocks`);
      }
      yield {
        atUs: Math.round(timestamp * MICROS_PER_MILLI),
        tenant: "mooncake",
        promptTokens,
        outputTokens,
        blocks,
      };
    }
  },
};
