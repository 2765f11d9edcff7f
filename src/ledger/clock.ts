import { MICROS_PER_MILLI, type Micros, seconds } from "../core/units.ts";

/** Less is what clocks that are set over the network differ by, and makes little difference to an hour. */
const AHEAD_US_MAX: Micros = seconds(300);

/**
 * What somebody has to know when the ledger's clock, which never goes back, is far ahead of the
 * machine's; null when it is not. It is when the machine's clock was once ahead itself.
 */
export function describeClockAhead(ledgerUs: Micros, machineUs: Micros): string | null {
  if (ledgerUs - machineUs <= AHEAD_US_MAX) return null;
  return (
    `The ledger's last entry is of ${isoTime(ledgerUs)}, but this machine's clock says ${isoTime(machineUs)}. ` +
    "The ledger's clock never goes back: everything counts in the hours, days and months of that instant, and " +
    "their limits do not reset until the machine's clock has passed them. If the machine's clock is wrong now, stop and set it. " +
    "If it was wrong before, raise those limits with `headgate budgets set`, or begin a new ledger with another `state` folder."
  );
}

function isoTime(atUs: Micros): string {
  return new Date(atUs / MICROS_PER_MILLI).toISOString();
}
