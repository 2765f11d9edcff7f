import type { Hold, LedgerState } from "../core/budget/accounts.ts";

/** What of a snapshot follows from no sums: open holds, slices among them, and which slices were closed. */
export type SnapshotHolds = Pick<LedgerState, "holds"> & Required<Pick<LedgerState, "closed">>;

/** As JSON: a list of holds, as it was before there were slices, as long as none was ever closed. */
export function packHolds({ holds, closed }: SnapshotHolds): string {
  return JSON.stringify(closed.length === 0 ? holds : { holds, closed });
}

export function unpackHolds(text: string): SnapshotHolds {
  const read = JSON.parse(text) as Hold[] | SnapshotHolds;
  return Array.isArray(read) ? { holds: read, closed: [] } : read;
}
