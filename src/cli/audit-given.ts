import { readFileSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { InvalidArgumentError, Option } from "commander";
import { loadStateFolder } from "../config/load.ts";
import { MICROS_PER_MILLI, type Micros } from "../core/units.ts";
import { openToAudit } from "../ledger/audit/open.ts";
import { publicKeyPem, verifierOf, type Verifier } from "../ledger/audit/signing-key.ts";
import { ledgerPath } from "../ledger/database.ts";

/** What several commands of the audit are given. */

export function verifiersOf({ publicKey }: { publicKey?: string[] }, stateFolder: () => string): Verifier[] {
  if (publicKey !== undefined) return publicKey.map((path) => verifierOf(readGiven(path, "public-key")));
  const pem = publicKeyPem(stateFolder());
  return pem === null ? [] : [verifierOf(pem)];
}

/** A file that `headgate audit` with that command has written. */
export function readGiven(path: string, command: "public-key" | "checkpoint"): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Error(
      `${path}, given with --${command}, can't be read (${(error as Error).message}). \`headgate audit ${command} --out <file>\` writes one.`,
      { cause: error },
    );
  }
}

export function publicKeyOption(description: string): Option {
  return new Option("--public-key <file>", description).argParser(
    (path: string, before: string[] | undefined) => [...(before ?? []), path],
  );
}

export function ledgerOption(): Option {
  return new Option(
    "--ledger <file>",
    "a copy of a ledger, with its audit folder beside it, instead of the one in use",
  );
}

/** Works on a ledger that nobody may change by it. */
export function withLedgerToAudit<T>(
  given: { config: string; ledger?: string },
  work: (database: DatabaseSync) => T,
): T {
  const database = openToAudit(given.ledger ?? ledgerPath(loadStateFolder(given.config)));
  const close = (): void => database.close();
  let result: T;
  try {
    result = work(database);
  } catch (error) {
    close();
    throw error;
  }
  if (result instanceof Promise) return result.finally(close) as T;
  close();
  return result;
}

export function parseInstant(text: string): Micros {
  const form = /^20\d\d-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/;
  const ms = form.test(text) ? Date.parse(text) : NaN;
  if (!Number.isNaN(ms)) return ms * MICROS_PER_MILLI;
  throw new InvalidArgumentError("give a day such as 2026-10-01 or an instant such as 2026-10-01T08:00:00Z");
}
