import { createWriteStream, existsSync } from "node:fs";
import { dirname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Command, Option } from "commander";
import type { Micros } from "../core/units.ts";
import { exportEntries, exportLinks, type ExportSigning } from "../ledger/audit/export.ts";
import { openSigner, publicKeyPem, type Signer, verifierOf } from "../ledger/audit/signing-key.ts";
import {
  ledgerOption,
  parseInstant,
  publicKeyOption,
  readGiven,
  verifiersOf,
  withLedgerToAudit,
} from "./audit-given.ts";
import { configOption, type LedgerArguments } from "./ledger-file.ts";
import { parseAccount } from "./limit-arguments.ts";

/** Lines are written in pieces of so many characters. */
const PIECE_LENGTH = 65_536;

interface ExportArguments extends LedgerArguments {
  from?: Micros;
  until?: Micros;
  format: "jsonl" | "csv";
  account?: string;
  ledger?: string;
  publicKey?: string[];
  out?: string;
  force?: boolean;
}

export function addExport(audit: Command): void {
  audit
    .command("export")
    .description("write what the ledger says; as jsonl of all accounts it can be verified by itself")
    .option(
      "--from <time>",
      "such as 2026-10-01 or 2026-10-01T08:00:00Z; days begin at midnight in UTC",
      parseInstant,
    )
    .option("--until <time>", "the first instant that is left out", parseInstant)
    .addOption(new Option("--format <format>").choices(["jsonl", "csv"]).default("jsonl"))
    .option("--account <account>", "only what it or an account below it spent", parseAccount)
    .addOption(ledgerOption())
    .addOption(publicKeyOption("who else has signed the ledger, as before its key was lost; may be repeated"))
    .option("--out <file>", "standard output if absent")
    .option("--force", "replace the file if it is there")
    .addOption(configOption())
    .action(async (given: ExportArguments) => {
      const { from: fromUs = null, until: untilUs = null, account = null, format } = given;
      if (fromUs !== null && untilUs !== null && fromUs >= untilUs)
        throw new Error("Nothing is left to export: --from has to be before --until.");
      if (given.out !== undefined && given.force !== true && existsSync(given.out))
        throw new Error(`${given.out} is there already. Give another file, or --force to replace it.`);
      await withLedgerToAudit(given, async (database) => {
        const isWhole = account === null && format === "jsonl";
        const lines = isWhole
          ? exportLinks(database, { fromUs, untilUs }, signingOf(given, dirname(database.location()!)))
          : exportEntries(database, { fromUs, untilUs, account, format });
        const out =
          given.out === undefined
            ? process.stdout
            : createWriteStream(given.out, { mode: 0o600, flags: given.force === true ? "w" : "wx" });
        // As of one commit.
        database.exec("BEGIN");
        await pipeline(Readable.from(inPieces(lines)), out);
      });
    });
}

/** A key is made for the ledger in use, if need be; a copy without one is not signed. */
function signingOf({ ledger, publicKey = [] }: ExportArguments, folder: string): ExportSigning {
  let signer: Signer | null = null;
  if (ledger === undefined || publicKeyPem(folder) !== null) signer = openSigner(folder);
  else console.error(`The export is not signed: there is no audit.key in ${folder}.`);
  const verifiers = verifiersOf({}, () => folder);
  verifiers.push(...publicKey.map((path) => verifierOf(readGiven(path, "public-key"))));
  return { signer, verifiers, onProblem: tellUnsigned };
}

function tellUnsigned({ message }: Error): void {
  console.error(`The export is not signed: ${message}. \`headgate audit verify\` says more.`);
  process.exitCode = 1;
}

function* inPieces(lines: Iterable<string>): Generator<string> {
  let piece = "";
  for (const line of lines) {
    piece += `${line}\n`;
    if (piece.length < PIECE_LENGTH) continue;
    yield piece;
    piece = "";
  }
  yield piece;
}
