import type { Hold, LedgerState } from "../core/budget/accounts.ts";
import { type Charge, NOTHING } from "../core/budget/charge.ts";

/** What of a snapshot follows from no sums: open holds, slices among them, and which slices were closed. */
export type SnapshotHolds = Pick<LedgerState, "holds"> & Required<Pick<LedgerState, "closed">>;

/** As JSON: a list of holds, as it was before there were slices, as long as none was ever closed. */
export function packHolds({ holds, closed }: SnapshotHolds): string {
  return JSON.stringify(closed.length === 0 ? holds : { holds, closed });
}

export function unpackHolds(text: string): SnapshotHolds {
  const read = JSON.parse(text) as Hold[] | SnapshotHolds;
  const { holds, closed } = Array.isArray(read) ? { holds: read, closed: [] } : read;
  return { holds: holds.map(inEveryUnit), closed };
}

/** What an earlier version has written does not name every unit. */
function inEveryUnit(hold: Hold): Hold {
  return {
    ...hold,
    parts: hold.parts.map(({ atUs, charge }) => ({ atUs, charge: whole(charge) })),
    charge: whole(hold.charge),
    ...(hold.amounts === undefined ? {} : { amounts: whole(hold.amounts) }),
    ...(hold.draws === undefined
      ? {}
      : { draws: hold.draws.map(({ slice, charge }) => ({ slice, charge: whole(charge) })) }),
  };
}

function whole(charge: Partial<Charge>): Charge {
  return { ...NOTHING, ...charge };
}
