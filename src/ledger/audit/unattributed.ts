import { type AdministrationRow, type Link } from "./link.ts";
import { AuditError } from "./problem.ts";
import type { RecordRead } from "./read-links.ts";
import { RECORDED } from "./schema.ts";

/** Where a record has what it is about: an account, or a time zone. */
const SUBJECT = { limit: 3, key: 0, zone: 0 } as const satisfies Record<keyof typeof RECORDED, number>;

/** Collects what was written to limits, keys and time zones by something other than Headgate. */
export class Unattributed {
  #count = 0;
  #first: { position: number; row: AdministrationRow } | null = null;

  record({ kind, position }: Link, record: RecordRead): void {
    if (kind !== "unattributed") return;
    this.#count += 1;
    this.#first ??= { position, row: record.row() as AdministrationRow };
  }

  /** Throws an `AuditError` where there was any. To be asked last: what else is wrong is worse. */
  end(): void {
    if (this.#first === null) return;
    const { position, row } = this.#first;
    const [, , , record] = row;
    const others = this.#count === 1 ? "" : `, and ${this.#count - 1} more`;
    const message = `a row was changed by something other than Headgate: ${place(row)}${others}`;
    throw new AuditError("administration", message, { position, found: record });
  }
}

/** Such as `keys, global/acme/alice, at 2026-10-01T08:00:00.000Z`. */
function place([, atUs, kind, record]: AdministrationRow): string {
  const at = new Date(atUs / 1_000).toISOString();
  if (!isRecorded(kind)) return `${kind}, at ${at}`;
  const fields = JSON.parse(record) as unknown[];
  return `table ${RECORDED[kind].table}, ${String(fields[SUBJECT[kind]])}, at ${at}`;
}

function isRecorded(kind: string): kind is keyof typeof RECORDED {
  return Object.hasOwn(RECORDED, kind);
}
