/** A note below a table: amounts as decimals, and what they are a part of, or how many posts they are in; null where there is no doubt. */
export function doubtNote(
  { usd, gpuSeconds }: { usd: string; gpuSeconds: string },
  { of = null, posts = null }: { of?: { usd: string; gpuSeconds: string } | null; posts?: number | null },
): string | null {
  if (usd === "0" && gpuSeconds === "0" && (posts ?? 0) === 0) return null;
  const parts = [of === null ? `${usd} USD` : `${usd} of ${of.usd} USD`];
  if (gpuSeconds !== "0") parts.push(`${gpuSeconds}${of === null ? "" : ` of ${of.gpuSeconds}`} GPU-seconds`);
  const where = posts === null ? "" : ` in ${posts} posts`;
  return `In doubt: ${parts.join(" and ")}${where}, charged in full because nobody knows what was used.`;
}
