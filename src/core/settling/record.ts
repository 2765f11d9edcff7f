import type { Charge } from "../budget/charge.ts";
import type { ErrorCode } from "../errors.ts";
import type { Stage } from "../lifecycle.ts";
import type { Micros } from "../units.ts";
import type { TokenUsage } from "../vocabulary.ts";

/** How a request ended: answered, refused or failed, left by its client, or its client dropped for not reading. */
export type Outcome = "completed" | "failed" | "abandoned" | "dropped";

/** What is known of a request once it is over: one log line, one set of observations. */
export interface SettledRecord {
  request: string;
  tenant: string;
  key: string | null;
  model: string;
  outcome: Outcome;
  /** Null unless the outcome is `failed`. */
  code: ErrorCode | null;
  reason: string | null;
  /** What the client was told; null unless the outcome is `failed`. */
  message: string | null;
  arrivedUs: Micros;
  /** Time from arrival to the end. */
  totalUs: Micros;
  /** Time from arrival to the first token of the first choice; null when none came. */
  ttftUs: Micros | null;
  /** Where the time of the slowest packet went; stages it did not reach are absent. */
  stagesUs: Partial<Record<Stage, Micros>>;
  packets: number;
  attempts: number;
  /** Attempts beside a first one that was slow. */
  hedges: number;
  /** Times that a begun answer went on elsewhere. */
  migrations: number;
  /** Name of the placement profile that it went by. */
  profile: string;
  /** Workers that attempts were sent to, in order. */
  workers: string[];
  /** Of the answer that the client was given. */
  usage: TokenUsage;
  /** What was posted to its accounts, for all its attempts. */
  charged: Charge;
}
