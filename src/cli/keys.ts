import type { DatabaseSync } from "node:sqlite";
import type { Command } from "commander";
import { newKey, TakenError, unknownKey } from "../administration/key-desk.ts";
import type { LimitTerms } from "../administration/terms.ts";
import { describeLimit } from "../core/budget/limits.ts";
import { MICROS_PER_MILLI } from "../core/units.ts";
import { isWithin, parentOf, ROOT, shortName } from "../keys/account-path.ts";
import { type KeyRole, type KeyRow, readKeys, rotateKey, setKeyEnabled } from "../keys/key-table.ts";
import { configOption, type LedgerArguments, withLedger } from "./ledger-file.ts";
import { parseAccount, parseLimit, parseName, parseRole, parseTenant } from "./limit-arguments.ts";
import { table } from "./table.ts";

const TENANT_DEFAULT = "default";

interface CreateArguments extends LedgerArguments {
  tenant?: string;
  account?: string;
  role: KeyRole;
  limit?: LimitTerms[];
}

export function addKeysCommand(program: Command): void {
  const keys = program
    .command("keys")
    .description("create, list, disable and rotate the keys that clients call with")
    .addHelpText(
      "after",
      `
A key is made in a tenant, or in a project of one, and what it spends counts under it and all above. Its
role says what it is for: spend calls models; read sees what is spent in the account it is made in; admin
manages keys and limits there, too, over HTTP. Commands work at once, whether a supervisor is running or not.

Examples:
  $ npm run headgate -- keys create alice --account acme/research --limit usd=5/day --limit requests=1000/day
  $ npm run headgate -- keys create lead --account acme/research --role admin
  $ npm run headgate -- keys create ops --account global --role admin
  $ npm run headgate -- keys disable acme/research/alice`,
    );
  addCreate(keys);
  addList(keys);
  addSwitch(keys, "disable", "refuse calls with it from now on; what is running finishes");
  addSwitch(keys, "enable", "accept calls with it again");
  addRotate(keys);
}

function addCreate(keys: Command): void {
  keys
    .command("create")
    .description("create a key and show its secret, this once")
    .argument("<name>", "unique within its account", parseName)
    .option(
      "--account <account>",
      "where it belongs: a tenant such as acme, or a project such as acme/research",
      parseAccount,
    )
    .option("--tenant <tenant>", `the same for a tenant; ${TENANT_DEFAULT} if neither is given`, parseTenant)
    .option("--role <role>", "spend, admin or read", parseRole, "spend")
    .option(
      "--limit <unit=amount/window>",
      "limit of the key, such as usd=5/day or usd=500/month@Europe/Berlin; may be repeated",
      parseLimit,
    )
    .option("--json", "print JSON")
    .addOption(configOption())
    .addHelpText(
      "after",
      "\nExample:\n  $ npm run headgate -- keys create alice --account acme/research --limit usd=5/day",
    )
    .action((name: string, given: CreateArguments) => {
      const { role, limit: limits = [] } = given;
      const account = `${homeOf(given)}/${name}`;
      const secret = withLedger(given, (database) => createOrExplain(database, { account, role, limits }));
      const words = limits.map(({ unit, window, amount }) => {
        return `Limit: ${describeLimit({ unit, window, amount: BigInt(amount!) })}\n`;
      });
      show({ account, role, secret }, given, words.join(""));
    });
}

/** The account that the key is made in. */
function homeOf({ account, tenant }: CreateArguments): string {
  if (account !== undefined && tenant !== undefined) {
    throw new Error("Give --account or --tenant, not both: a tenant is an account, too.");
  }
  return account ?? `${ROOT}/${tenant ?? TENANT_DEFAULT}`;
}

function createOrExplain(database: DatabaseSync, key: Parameters<typeof newKey>[1]): string {
  try {
    return newKey(database, key);
  } catch (error) {
    if (!(error instanceof TakenError) || error.conflict !== key.account) throw error;
    const name = shortName(key.account);
    throw new Error(`${error.message} Or give it a new secret with \`headgate keys rotate ${name}\`.`, {
      cause: error,
    });
  }
}

function addRotate(keys: Command): void {
  keys
    .command("rotate")
    .description("give a key a new secret; the old one is refused from now on")
    .argument("<key>", "its account, such as acme/alice or acme/research/alice", parseAccount)
    .option("--json", "print JSON")
    .addOption(configOption())
    .addHelpText("after", "\nExample:\n  $ npm run headgate -- keys rotate acme/research/alice")
    .action((account: string, given: LedgerArguments) => {
      const secret = withLedger(given, (database) => rotateKey(database, account));
      if (secret === null) throw unknownKey(account);
      show({ account, secret }, given, "");
    });
}

function addSwitch(keys: Command, verb: "enable" | "disable", description: string): void {
  keys
    .command(verb)
    .description(description)
    .argument("<key>", "its account, such as acme/alice or acme/research/alice", parseAccount)
    .addOption(configOption())
    .addHelpText("after", `\nExample:\n  $ npm run headgate -- keys ${verb} acme/research/alice`)
    .action((account: string, given: LedgerArguments) => {
      const isKnown = withLedger(given, (database) => setKeyEnabled(database, account, verb === "enable"));
      if (!isKnown) throw unknownKey(account);
      console.log(`The key ${shortName(account)} is ${verb}d.`);
    });
}

function addList(keys: Command): void {
  keys
    .command("list")
    .description("list keys by the first characters of their secrets")
    .argument("[account]", "only those at or below it", parseAccount, ROOT)
    .option("--json", "print JSON")
    .addOption(configOption())
    .addHelpText("after", "\nExample:\n  $ npm run headgate -- keys list acme")
    .action((top: string, given: LedgerArguments) => {
      const rows = withLedger(given, (database) => readKeys(database, { after: 0 }));
      const all = rows.filter(({ account }) => isWithin(account, top)).map(shown);
      if (given.json === true) return console.log(JSON.stringify(all, null, 2));
      if (all.length === 0)
        return console.log("There are no keys. Create one with `headgate keys create <name>`.");
      const cells = all.map(({ account, role, secret, created, status }) => {
        return [shortName(account), role, secret, status, created];
      });
      console.log(table(["key", "role", "secret", "status", "created"], cells));
    });
}

function shown({ account, role, start, createdUs, disabledUs }: KeyRow): {
  account: string;
  role: KeyRole;
  secret: string;
  status: string;
  created: string;
} {
  const created = new Date(createdUs / MICROS_PER_MILLI).toISOString();
  return {
    account,
    role,
    secret: `${start}…`,
    status: disabledUs === null ? "enabled" : "disabled",
    created,
  };
}

function show(
  key: { account: string; role?: KeyRole; secret: string },
  { json }: LedgerArguments,
  words: string,
): void {
  if (json === true) return console.log(JSON.stringify(key, null, 2));
  const { account, role, secret } = key;
  console.log(
    `Key ${shortName(account)}:\n\n  ${secret}\n\n${duty(account, role)}${words}It is not shown again.`,
  );
}

function duty(account: string, role: KeyRole | undefined): string {
  if (role === undefined || role === "spend") return "";
  return `It ${role === "admin" ? "administers" : "reads"} ${shortName(parentOf(account))} and all below it.\n`;
}
