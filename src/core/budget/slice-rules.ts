import { noCapacity } from "../admission/admission.ts";
import type { CoreConfig } from "../config.ts";
import type { SliceView } from "../effects.ts";
import type { HeadgateError } from "../errors.ts";
import type { SliceOpening } from "../events.ts";
import { type Micros, MICROS_PER_SECOND, seconds } from "../units.ts";
import type { Charge } from "./charge.ts";
import { formatAmount } from "./limits.ts";
import { parentOf } from "./paths.ts";
import { SLICE_PARTS, UNIT_OF } from "./slice.ts";
import type { OpenSlice, Slices } from "./slices.ts";

/** How long a slice is open where nothing else was asked for. */
const TTL_US = seconds(3_600);

/** What there is where a slice is to be opened. */
export interface SliceGround {
  slices: Slices;
  limits: CoreConfig["slices"];
  /** Whether anything was ever held or posted there or below. */
  isUsed: (account: string) => boolean;
  /** Slices that are being opened before this one: in all, and below its payer. */
  ahead: { all: number; ofPayer: number };
}

/** Why there can be no such slice, whatever money there is; null where there can. */
export function refusalOf(
  account: string,
  { payer, ttlUs }: SliceOpening,
  { slices, limits, isUsed, ahead }: SliceGround,
): HeadgateError | null {
  const isTaken = slices.closed.has(account) || slices.find(account) !== null || isUsed(account);
  // What was spent in a name would be taken for the slice's.
  if (isTaken && slices.closedAbove(parentOf(account)!) === null) {
    const message = `There is an account ${account} already, or there was one.`;
    return { code: "account_exists", param: "name", account, message };
  }
  const { openMax, perPayerMax, depthMax, ttlMaxUs } = limits;
  if (ttlUs !== null && ttlUs > ttlMaxUs) {
    const message = `A slice may be open for ${ttlMaxUs / MICROS_PER_SECOND} seconds at most, by budgets.slices.ttl_max.`;
    return { code: "invalid_request", param: "ttl_seconds", message };
  }
  if (slices.around(account).length >= depthMax) {
    const message = `${account} would be a slice inside ${depthMax} others, as many as budgets.slices.depth_max allows.`;
    return { code: "invalid_request", param: "name", message };
  }
  if (slices.size + ahead.all >= openMax) return noCapacity("slices_full");
  return slices.countWithin(payer) + ahead.ofPayer >= perPayerMax ? noCapacity("slices_full") : null;
}

/** Until when a slice is open that is opened at that time of the ledger: nothing inside a slice outlives it. */
export function expiryOf(
  account: string,
  { ttlUs }: SliceOpening,
  { slices, limits, ledgerUs }: Pick<SliceGround, "slices" | "limits"> & { ledgerUs: Micros },
): Micros {
  const usualUs = Math.min(TTL_US, limits.ttlMaxUs);
  return Math.min(ledgerUs + (ttlUs ?? usualUs), ...slices.around(account).map(({ expiresUs }) => expiresUs));
}

/** What somebody who looks at the account is shown; null where no slice was opened for it, or it was closed long ago. */
export function viewAt(account: string, slices: Slices): SliceView | null {
  const slice = slices.find(account);
  if (slice !== null) return viewOf(slice);
  return slices.closedAbove(account) === null ? null : closedView(account);
}

export function unknown(account: string): HeadgateError {
  const message = `No slice was opened for ${account}, or it was closed long ago.`;
  return { code: "not_found", account, message };
}

export function viewOf({ account, amounts, rest, expiresUs }: OpenSlice): SliceView {
  const remaining = amountsOf(amounts, rest);
  return { account, status: "open", amounts: amountsOf(amounts, amounts), remaining, expiresUs };
}

/** Of one that is closed little is remembered. */
export function closedView(account: string): SliceView {
  return { account, status: "closed", amounts: {}, remaining: {}, expiresUs: null };
}

/** Of one that was closed just now, when so much of it was left. */
export function releasedView({ account, amounts }: OpenSlice, left: Charge): SliceView {
  const released = amountsOf(amounts, left);
  return { ...closedView(account), amounts: amountsOf(amounts, amounts), released };
}

/** In the units that the slice is of. */
function amountsOf(sliced: Charge, charge: Charge): SliceView["amounts"] {
  const parts = SLICE_PARTS.filter((part) => sliced[part] > 0);
  return Object.fromEntries(
    parts.map((part) => [UNIT_OF[part], formatAmount(UNIT_OF[part], BigInt(charge[part]))]),
  );
}
