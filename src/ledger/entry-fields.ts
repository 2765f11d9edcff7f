import type { HoldPart } from "../core/budget/accounts.ts";
import { type Charge, NOTHING } from "../core/budget/charge.ts";
import type { LedgerEntry } from "../core/budget/ledger-entry.ts";

/** One value of one column. */
export type Field = number | string | null;

/** Fields of one entry. */
export const FIELDS_PER_ENTRY = 17;

/**
 * Entries as one flat list, field after field in the order of `EntryRow`: it crosses from thread to
 * thread at a third of the cost of the objects.
 */
export function toFields(group: readonly LedgerEntry[]): Field[] {
  const fields: Field[] = [];
  for (const {
    sequence,
    atUs,
    operation,
    hold,
    account,
    model,
    charge,
    heldAtUs,
    inDoubt,
    overage,
    parts,
  } of group) {
    const { nanoUsd, inputTokens, cachedTokens, outputTokens, reasoningTokens, requests, gpuUs } = charge;
    fields.push(sequence, atUs, operation, hold, account, nanoUsd, inputTokens, outputTokens, requests);
    fields.push(heldAtUs, inDoubt ? 1 : 0, overage === null ? null : JSON.stringify(overage));
    fields.push(model, cachedTokens, reasoningTokens, gpuUs, parts === null ? null : JSON.stringify(parts));
  }
  return fields;
}

/**
 * An entry as it is stored, but for the account, which is stored by its number. What version 1 did not have comes last, and
 * what version 2 did not have behind it.
 */
export type EntryRow = [...PlainEntryRow, gpuUs: number, parts: string | null];

/** The same as an audit keeps it: without what says nothing at its end. */
export type KeptEntryRow = [...PlainEntryRow, gpuUs?: number, parts?: string | null];

/** Fields of one entry as version 2 had them. */
export const PLAIN_FIELDS = 15;

type PlainEntryRow = [
  sequence: number,
  atUs: number,
  operation: LedgerEntry["operation"],
  hold: string,
  account: string,
  nanoUsd: number,
  inputTokens: number,
  outputTokens: number,
  requests: number,
  heldAtUs: number,
  inDoubt: number,
  overage: string | null,
  model: string,
  cachedTokens: number,
  reasoningTokens: number,
];

export function toEntry(row: KeptEntryRow): LedgerEntry {
  const [sequence, atUs, operation, hold, account, nanoUsd, inputTokens, outputTokens, requests] = row;
  const [
    ,
    ,
    ,
    ,
    ,
    ,
    ,
    ,
    ,
    heldAtUs,
    inDoubt,
    overage,
    model,
    cachedTokens,
    reasoningTokens,
    gpuUs = 0,
    parts = null,
  ] = row;
  return {
    sequence,
    atUs,
    operation,
    hold,
    account,
    model,
    charge: { nanoUsd, inputTokens, cachedTokens, outputTokens, reasoningTokens, requests, gpuUs },
    // One of an earlier version does not name every unit.
    overage: overage === null ? null : { ...NOTHING, ...(JSON.parse(overage) as Partial<Charge>) },
    inDoubt: inDoubt === 1,
    heldAtUs,
    parts: parts === null ? null : (JSON.parse(parts) as HoldPart[]),
  };
}
