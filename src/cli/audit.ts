import { writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { type Command, Option } from "commander";
import { loadStateFolder } from "../config/load.ts";
import type { Micros } from "../core/units.ts";
import { takeCheckpoint } from "../ledger/audit/chain.ts";
import { type Checkpoint, formatCheckpoint, parseCheckpoint } from "../ledger/audit/checkpoint.ts";
import { compact } from "../ledger/audit/compact.ts";
import { openSigner, publicKeyPem } from "../ledger/audit/signing-key.ts";
import { verifyQuickly } from "../ledger/audit/verify-quick.ts";
import { type Verdict, verifyExport, verifyLedger } from "../ledger/audit/verify.ts";
import { addExport } from "./audit-export.ts";
import {
  ledgerOption,
  parseInstant,
  publicKeyOption,
  readGiven,
  verifiersOf,
  withLedgerToAudit,
} from "./audit-given.ts";
import { describeVerdict, verdictAsJson } from "./audit-verdict.ts";
import { configOption, type LedgerArguments, withLedger } from "./ledger-file.ts";
import { StatusLine } from "./status-line.ts";

const EXAMPLES = `
Every group of ledger entries, and every change of a limit, a key or a time zone, is a link of a chain of hashes; signed
checkpoints make it worthless to compute the chain anew. Keep a checkpoint and the public key where nobody who can write
to this machine can reach them: then nothing before it can be changed or cut off unseen.

Examples:
  $ npm run headgate -- audit verify
  $ npm run headgate -- audit public-key --out audit.pub
  $ npm run headgate -- audit checkpoint --out checkpoint.json
  $ npm run headgate -- audit verify --checkpoint checkpoint.json --public-key audit.pub
  $ npm run headgate -- audit export --from 2026-10-01 --until 2026-11-01 --out october.jsonl
  $ npm run headgate -- audit compact --before 2026-01-01`;

interface VerifyArguments extends LedgerArguments {
  quick?: boolean;
  ledger?: string;
  export?: string;
  checkpoint?: string;
  publicKey?: string[];
}

export function addAuditCommand(program: Command): void {
  const audit = program
    .command("audit")
    .description("prove that the ledger is as it was written; export it; move what is old to files")
    .addHelpText("after", EXAMPLES);
  addVerify(audit);
  addExport(audit);
  addCheckpoint(audit);
  addPublicKey(audit);
  addCompact(audit);
}

function addVerify(audit: Command): void {
  audit
    .command("verify")
    .description(
      "check everything that was written, from the first entry on; exit code 1 if anything is wrong",
    )
    .option("--quick", "only from the last signed balances on, and that the balances of now agree with them")
    .addOption(ledgerOption())
    .addOption(new Option("--export <file>", "an export, instead of a ledger").conflicts(["quick", "ledger"]))
    .option("--checkpoint <file>", "one that was kept elsewhere: tells whether the end was cut off, too")
    .addOption(publicKeyOption("who may have signed; may be repeated; the key in the state folder if absent"))
    .option("--json", "print JSON")
    .addOption(configOption())
    .action((given: VerifyArguments) => {
      const verdict = verify(given);
      const text =
        given.json === true ? JSON.stringify(verdictAsJson(verdict), null, 2) : describeVerdict(verdict);
      console.log(text);
      if (verdict.problem !== null) process.exitCode = 1;
    });
}

function verify(given: VerifyArguments): Verdict {
  const kept = given.checkpoint === undefined ? null : readCheckpoint(given.checkpoint);
  const status = new StatusLine();
  const onProgress = (entries: number, all: number | null): void => {
    status.show(all === null ? `${entries} entries` : `${entries} of ${all} entries`);
  };
  try {
    if (given.export !== undefined) {
      const verifiers = verifiersOf(given, () => signersFolder(given.config));
      return verifyExport(given.export, { verifiers, kept, onProgress });
    }
    return withLedgerToAudit(given, (database) => {
      const verifiers = verifiersOf(given, () => dirname(database.location()!));
      const mustBeSigned = given.publicKey !== undefined;
      const options = { verifiers, kept, mustBeSigned, onProgress };
      return given.quick === true ? verifyQuickly(database, options) : verifyLedger(database, options);
    });
  } finally {
    status.clear();
  }
}

function readCheckpoint(path: string): Checkpoint {
  return parseCheckpoint(readGiven(path, "checkpoint"));
}

function addCheckpoint(audit: Command): void {
  audit
    .command("checkpoint")
    .description(
      "sign what the ledger says now; keep it where nobody who can write to this machine can reach it",
    )
    .option("--out <file>", "standard output if absent")
    .addOption(configOption())
    .action((given: LedgerArguments & { out?: string }) => {
      const checkpoint = withLedger(given, (database) => {
        return takeCheckpoint(database, openSigner(dirname(database.location()!)));
      });
      write(given.out, formatCheckpoint(checkpoint));
    });
}

function addPublicKey(audit: Command): void {
  audit
    .command("public-key")
    .description("show the key that checkpoints are checked with")
    .option("--out <file>", "standard output if absent")
    .addOption(configOption())
    .action((given: LedgerArguments & { out?: string }) => {
      withLedger(given, (database) => {
        const folder = dirname(database.location()!);
        openSigner(folder);
        write(given.out, publicKeyPem(folder)!);
      });
    });
}

function addCompact(audit: Command): void {
  audit
    .command("compact")
    .description("move old entries to compressed files beside the ledger; a supervisor may be running")
    .requiredOption("--before <time>", "what is older is moved, such as 2026-01-01", parseInstant)
    .addOption(configOption())
    .action((given: LedgerArguments & { before: Micros }) => {
      const { segments, moved, deleted, isShrunk } = withLedger(given, (database) => {
        return compact(database, { beforeUs: given.before });
      });
      console.log(`Moved ${moved} entries to ${segments} files, and deleted ${deleted} from the ledger.`);
      if (deleted > 0 && !isShrunk) {
        console.log(
          "The ledger uses the space for what comes next: a supervisor is running, so the file was not made smaller.",
        );
      }
    });
}

function write(path: string | undefined, text: string): void {
  if (path === undefined) process.stdout.write(text);
  else writeFileSync(path, text);
}

/** Whoever has an export need have nothing else of Headgate, but for the key of its signer. */
function signersFolder(configPath: string): string {
  try {
    return loadStateFolder(configPath);
  } catch (error) {
    throw new Error(
      `Whose signature is to be checked? Give --public-key, a file as \`headgate audit public-key\` writes it, or a configuration with the state folder of the signer (${(error as Error).message}).`,
      { cause: error },
    );
  }
}
