import { MICROS_PER_MILLI } from "../../units.ts";
import { type BatchingDefinition, take, wait } from "../contracts.ts";

export const fixed: BatchingDefinition = {
  kind: "batching",
  name: "fixed",
  summary: "A batch is begun when it is full, or when its first one has waited for long enough.",
  formula: "n ≥ size, or wait of the first ≥ timeout",
  source: "Classic",
  needs: [],
  parameters: {
    size: { summary: "What makes a batch full.", unit: "requests", default: 8, min: 1 },
    timeout: { summary: "How long the first one waits at most.", unit: "ms", default: 10, min: 0 },
  },
  create: (parameters) => {
    const size = Number(parameters["size"]);
    const timeoutUs = Number(parameters["timeout"]) * MICROS_PER_MILLI;
    return {
      next: (waiting, nowUs) => {
        const untilUs = waiting[0]!.sinceUs + timeoutUs;
        return waiting.length >= size || nowUs >= untilUs
          ? take(Math.min(waiting.length, size))
          : wait(untilUs);
      },
    };
  },
};
