import { LIMIT_UNITS, type LimitRow, THRESHOLD_ACTIONS, type Threshold } from "../core/budget/limits.ts";
import { type LimitWindow, parseWindow, WINDOW_FORMS, zoneOf } from "../core/budget/windows.ts";
import { isTimeZone, isUtc, ZONE_FORMS } from "./zones.ts";

export type LimitProblem =
  | "invalid_unit"
  | "invalid_window"
  | "unknown_time_zone"
  | "invalid_amount"
  | "invalid_threshold";

/** Why something can't be a limit; the message says what to write instead. */
export class InvalidLimitError extends Error {
  override readonly name = "InvalidLimitError";
  readonly code: LimitProblem;

  constructor(code: LimitProblem, message: string) {
    super(message);
    this.code = code;
  }
}

/** What a column holds. */
const AMOUNT_MAX = 2n ** 63n - 1n;
const PERCENT_MAX = 100;
/** Somebody may want to hear of what went beyond, too. */
const NOTIFY_PERCENT_MAX = 1_000;
/** Each is looked at whenever something is held. */
const THRESHOLDS_MAX = 16;

/** The limit as it is stored, its window in its one spelling. Throws an `InvalidLimitError` for what can't be set. */
export function checkLimit(limit: LimitRow): LimitRow {
  const spelled = { ...limit, window: spelledOnce(limit.window) };
  check(spelled);
  return spelled;
}

/** A day in UTC is `day`, whatever name UTC is called by: two spellings would be two limits, counted apart. */
function spelledOnce(window: LimitWindow): LimitWindow {
  const spec = parseWindow(window);
  return spec?.kind === "calendar" && isUtc(spec.zone) ? spec.unit : window;
}

function check({ unit, window, amount, thresholds = [] }: LimitRow): void {
  if (!LIMIT_UNITS.includes(unit)) {
    throw new InvalidLimitError("invalid_unit", `${unit} is no unit. Units are ${LIMIT_UNITS.join(", ")}.`);
  }
  if (parseWindow(window) === null) {
    throw new InvalidLimitError("invalid_window", `${window} is no window. Windows are ${WINDOW_FORMS}.`);
  }
  if (amount === null) return;
  const zone = zoneOf(window);
  if (zone !== null && !isTimeZone(zone)) {
    throw new InvalidLimitError("unknown_time_zone", `${zone} is no time zone. ${ZONE_FORMS}`);
  }
  if (!/^\d{1,19}$/.test(amount) || BigInt(amount) > AMOUNT_MAX) {
    throw new InvalidLimitError(
      "invalid_amount",
      `${amount} is no amount. Amounts are whole numbers from 0 to ${AMOUNT_MAX}, for usd in nano-USD.`,
    );
  }
  if (thresholds.length > THRESHOLDS_MAX) {
    throw new InvalidLimitError("invalid_threshold", `A limit has at most ${THRESHOLDS_MAX} thresholds.`);
  }
  for (const threshold of thresholds) checkThreshold(threshold);
}

function checkThreshold({ percent, action, priority, maxTokens }: Threshold): void {
  if (!THRESHOLD_ACTIONS.includes(action)) {
    throw new InvalidLimitError(
      "invalid_threshold",
      `${action} is no action of a threshold. Actions are ${THRESHOLD_ACTIONS.join(", ")}.`,
    );
  }
  const max = action === "notify" ? NOTIFY_PERCENT_MAX : PERCENT_MAX;
  if (!Number.isInteger(percent) || percent < 1 || percent > max) {
    throw new InvalidLimitError(
      "invalid_threshold",
      `A threshold with ${action} is at a whole number of percent from 1 to ${max}, not at ${percent}.`,
    );
  }
  if ((action === "hold_low_priority") !== (priority !== null)) {
    throw new InvalidLimitError(
      "invalid_threshold",
      "A threshold with hold_low_priority names the least urgent `priority` that is let through; others name none.",
    );
  }
  const isCount = maxTokens !== undefined && Number.isSafeInteger(maxTokens) && maxTokens > 0;
  if (action === "shorten" ? !isCount : maxTokens !== undefined) {
    throw new InvalidLimitError(
      "invalid_threshold",
      "A threshold with shorten says how many tokens an answer may have, as a whole number; others don't.",
    );
  }
}
