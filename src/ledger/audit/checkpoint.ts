import { createHash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import type { BalanceRow } from "../../core/budget/accounts.ts";
import { MICROS_PER_MILLI, type Micros } from "../../core/units.ts";
import { readState } from "../restore.ts";
import type { Head } from "./link.ts";
import type { Signer, Verifier } from "./signing-key.ts";

/** That the chain had this hash at this position, signed; and, where it says so, that the ledger added up to this. */
export interface Checkpoint {
  position: number;
  sequence: number;
  /** Of the chain at that position, and of the balances, in hex. */
  hash: string;
  balances: string | null;
  /** By this machine's clock. */
  atUs: Micros;
  /** Which key has signed. */
  key: string;
  /** In hex. */
  signature: string;
}

const FORMAT = "headgate-checkpoint-1";

/** What is signed. */
function statementOf(checkpoint: Omit<Checkpoint, "signature">): string {
  const { position, sequence, hash, balances, atUs, key } = checkpoint;
  return JSON.stringify([FORMAT, position, sequence, hash, balances, atUs, key]);
}

/** The record of a checkpoint in the chain. */
export function checkpointLine(checkpoint: Checkpoint): string {
  const { position, sequence, hash, balances, atUs, key, signature } = checkpoint;
  return JSON.stringify([position, sequence, hash, balances, atUs, key, signature]);
}

export function parseCheckpointLine(line: string): Checkpoint {
  const [position, sequence, hash, balances, atUs, key, signature] = JSON.parse(line) as [
    number,
    number,
    string,
    string | null,
    number,
    string,
    string,
  ];
  return { position, sequence, hash, balances, atUs, key, signature };
}

export function signCheckpoint(
  { position, sequence, hash }: Head,
  { balances, signer }: { balances: string | null; signer: Signer },
): Checkpoint {
  const atUs = Date.now() * MICROS_PER_MILLI;
  const unsigned = { position, sequence, hash: hash.toString("hex"), balances, atUs, key: signer.keyId };
  return { ...unsigned, signature: signer.sign(statementOf(unsigned)).toString("hex") };
}

export function isSignedBy(checkpoint: Checkpoint, verifier: Verifier): boolean {
  return verifier.verify(statementOf(checkpoint), Buffer.from(checkpoint.signature, "hex"));
}

/** To be kept elsewhere. */
export function formatCheckpoint(checkpoint: Checkpoint): string {
  return `${JSON.stringify({ format: FORMAT, ...checkpoint }, null, 2)}\n`;
}

/** Throws for what is none. Whether it is signed is for others to say. */
export function parseCheckpoint(text: string): Checkpoint {
  let parsed: Partial<Checkpoint> & { format?: unknown };
  try {
    parsed = JSON.parse(text) as typeof parsed;
  } catch {
    parsed = {};
  }
  const { format, position, sequence, hash, balances, atUs, key, signature } = parsed;
  const areNumbers = [position, sequence, atUs].every(Number.isSafeInteger);
  const areTexts = [hash, key, signature, balances ?? ""].every((value) => typeof value === "string");
  if (format !== FORMAT || !areNumbers || !areTexts) {
    throw new Error("That is no checkpoint. `headgate audit checkpoint --out <file>` writes one.");
  }
  return { position, sequence, hash, balances: balances ?? null, atUs, key, signature } as Checkpoint;
}

/** What the file adds up to now, as a digest. */
export function digestOfFile(database: DatabaseSync): string {
  return digestOf(readState(database).balances.filter(({ window }) => window === "total"));
}

/**
 * SHA-256, in hex, of what every account has used in total: a line for each that has used anything, in the order of the
 * bytes of their names, `["account","nano-USD",input,cached,output,reasoning,requests]`, with the µs of GPU time behind it where
 * there are any.
 */
export function digestOf(totals: Iterable<Omit<BalanceRow, "window" | "startUs">>): string {
  const lines: string[] = [];
  for (const {
    account,
    nanoUsd,
    inputTokens,
    cachedTokens,
    outputTokens,
    reasoningTokens,
    requests,
    gpuUs,
  } of totals) {
    const counts = [inputTokens, cachedTokens, outputTokens, reasoningTokens, requests];
    if (gpuUs !== 0) counts.push(gpuUs);
    if (nanoUsd === "0" && counts.every((count) => count === 0)) continue;
    lines.push(JSON.stringify([account, nanoUsd, ...counts]));
  }
  const hash = createHash("sha256");
  // Names are ASCII, and the quote that ends one comes before all that a longer one goes on with.
  for (const line of lines.sort()) hash.update(`${line}\n`);
  return hash.digest("hex");
}
