import { setTimeout as sleep } from "node:timers/promises";
import { MICROS_PER_MILLI } from "../../../src/core/units.ts";
import type { MeasuredEngine } from "../../../src/simulator/calibration/measured-engine.ts";
import type { LiveRequest } from "./requests.ts";

/** What became of a request; times in ms from when it was due. */
export interface LiveAnswer {
  request: LiveRequest;
  ttftMs: number;
  totalMs: number;
  promptTokens: number;
  cachedTokens: number;
  outputTokens: number;
}

/** Each request when it is due, whatever becomes of those before; resolves when all are answered, rejects when one is not. */
export async function askAll(
  engine: MeasuredEngine,
  requests: readonly LiveRequest[],
  signal: AbortSignal,
): Promise<LiveAnswer[]> {
  const startMs = performance.now();
  return Promise.all(
    requests.map(async (request) => {
      const dueMs = startMs + request.atUs / MICROS_PER_MILLI;
      await sleep(Math.max(0, dueMs - performance.now()), undefined, { signal });
      const { prompt, outputTokens } = request;
      const timing = await engine.generate({ prompt, outputTokens, signal });
      return {
        request,
        // Of a few answers no token has any text: nothing is seen of them before their end.
        ttftMs: (timing.arrivedMs[0] ?? timing.endedMs) - dueMs,
        totalMs: timing.endedMs - dueMs,
        promptTokens: timing.promptTokens,
        cachedTokens: timing.cachedTokens,
        outputTokens: timing.outputTokens,
      };
    }),
  );
}
