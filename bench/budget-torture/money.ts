/** What the bench's models cost. Every gateway is told the same, and the books are kept in it. Money is in nano-USD. */

export const NANO_PER_USD = 1_000_000_000;

/** Of one token. An answer costs twenty times what a prompt does, so a prompt's bound matters little beside it. */
export const INPUT_NANO = 500;
export const OUTPUT_NANO = 10_000;

/** What a template may put around one short message, in tokens: a gateway that holds the worst case has to allow for it. */
const TEMPLATE_TOKENS_MAX = 256;

export function costOf(usage: { promptTokens: number; completionTokens: number }): number {
  return usage.promptTokens * INPUT_NANO + usage.completionTokens * OUTPUT_NANO;
}

/**
 * The most that a request can cost as somebody has to see it who does not know the model's tokenizer: no text has
 * more tokens than bytes.
 */
export function worstCostOf(request: { content: string; maxTokens: number; choices?: number }): number {
  const { content, maxTokens, choices = 1 } = request;
  const promptTokens = Buffer.byteLength(content) + TEMPLATE_TOKENS_MAX;
  return costOf({ promptTokens, completionTokens: maxTokens * choices });
}

/** As a decimal, exactly: `0.0015`. */
export function usdOf(nano: number): string {
  const digits = String(Math.round(nano)).padStart(10, "0");
  const fraction = digits.slice(-9).replace(/0+$/, "");
  return fraction === "" ? digits.slice(0, -9) : `${digits.slice(0, -9)}.${fraction}`;
}

/** Of a decimal or a float, as gateways report it; to the nearest nano-USD. */
export function nanoOf(usd: string | number): number {
  const nano = Math.round(Number(usd) * NANO_PER_USD);
  if (Number.isSafeInteger(nano)) return nano;
  throw new Error(`${JSON.stringify(usd)} is no amount of USD`);
}
