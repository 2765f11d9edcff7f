import { adaptiveWait } from "../adaptive-wait.ts";
import type { BatchingDefinition } from "../contracts.ts";
import { DurationFit } from "../duration-fit.ts";

export const adaptive: BatchingDefinition = {
  kind: "batching",
  name: "adaptive",
  summary:
    "Learns how long batches take by their size, and waits for one more request only while that pays. Gives up what would come too late.",
  formula:
    "duration = a·n + b over the last 50 batches; wait while n · (time since the last came + a) ≤ 0.95 · mean wait; the first is given up when n > 1 and now + a·n + b is past its deadline",
  source: "BentoML, adaptive batching",
  needs: [],
  parameters: {
    size_max: { summary: "In a batch at most.", unit: "requests", default: 100, min: 1 },
  },
  create: (parameters) => {
    const sizeMax = Number(parameters["size_max"]);
    const fit = new DurationFit();
    return {
      next: (waiting, nowUs) => adaptiveWait(waiting, nowUs, { fit, sizeMax }),
      observed: (batch) => fit.add(batch),
    };
  },
};
