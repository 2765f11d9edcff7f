import { NOTHING } from "../../src/core/budget/charge.ts";
import type { SettledRecord } from "../../src/core/settling/record.ts";

/** A request that went well, and cost one USD. */
export const RECORD: SettledRecord = {
  request: "r1",
  tenant: "acme",
  key: null,
  model: "tiny",
  profile: "standard",
  outcome: "completed",
  code: null,
  reason: null,
  message: null,
  arrivedUs: 0,
  totalUs: 1,
  ttftUs: 1,
  stagesUs: {},
  packets: 1,
  attempts: 1,
  hedges: 0,
  migrations: 0,
  workers: ["w1"],
  usage: { promptTokens: 1, cachedTokens: 0, completionTokens: 1 },
  charged: { ...NOTHING, nanoUsd: 1_000_000_000, inputTokens: 1, outputTokens: 1, requests: 1 },
};
