import { z } from "zod";
import type { ReceiptsRead } from "../core/events.ts";
import { postBriefly } from "./brief-call.ts";
import { BodyCollector, isTokenCount, parseOrNull } from "./generation.ts";
import type { Upstream } from "./upstream.ts";

const ANSWER_BYTES_MAX = 1024 * 1024;

const count = z.custom<number>(isTokenCount);

const answerSchema = z.object({
  receipts: z.array(
    z.object({
      id: z.string(),
      model: z.string(),
      prompt_tokens: count,
      cached_tokens: count,
      completion_tokens: count,
      continued_from: count.default(0),
      finish_reason: z.string().default(""),
      ran_us: z.int().min(0).optional(),
    }),
  ),
});

/**
 * `POST /worker/receipts`: what a worker has on paper of these attempts. One that can't be asked, or
 * answers something else, leaves everything as it is: what is in doubt stays charged in full.
 */
export function readReceipts(
  upstream: Upstream,
  worker: { origin: string; attempts: readonly string[] },
  onRead: (receipts: ReceiptsRead["receipts"]) => void,
): void {
  const answer = new BodyCollector(ANSWER_BYTES_MAX);
  let isReadable = false;
  const call = postBriefly(
    upstream,
    {
      origin: worker.origin,
      path: "/worker/receipts",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ids: worker.attempts }),
    },
    {
      head(status) {
        isReadable = status === 200;
      },
      data(chunk) {
        if (!answer.add(chunk)) call.abort();
      },
      end() {
        const receipts = isReadable ? parse(answer.text()) : [];
        if (receipts.length > 0) onRead(receipts);
      },
      broken() {},
    },
  );
}

function parse(text: string): ReceiptsRead["receipts"] {
  const read = answerSchema.safeParse(parseOrNull(text));
  if (!read.success) return [];
  return read.data.receipts.map((receipt) => ({
    attempt: receipt.id,
    model: receipt.model,
    continuedFrom: receipt.continued_from,
    isParked: receipt.finish_reason === "parked",
    ...(receipt.ran_us === undefined ? {} : { ranUs: receipt.ran_us }),
    usage: {
      promptTokens: receipt.prompt_tokens,
      cachedTokens: receipt.cached_tokens,
      completionTokens: receipt.completion_tokens,
    },
  }));
}
