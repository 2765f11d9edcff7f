const BATCH = 64;
const MS_PER_SECOND = 1_000;

/** How often `operation` runs a second, over at least that time. */
export function rateOf(operation: () => void, measureMs: number): number {
  const startMs = performance.now();
  let count = 0;
  let elapsedMs = 0;
  while (elapsedMs < measureMs) {
    for (let i = 0; i < BATCH; i++) operation();
    count += BATCH;
    elapsedMs = performance.now() - startMs;
  }
  return (count * MS_PER_SECOND) / elapsedMs;
}
