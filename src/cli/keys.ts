import type { DatabaseSync } from "node:sqlite";
import { type Command, InvalidArgumentError } from "commander";
import { describeLimit } from "../core/budget/limits.ts";
import { MICROS_PER_MILLI } from "../core/units.ts";
import {
  createKey,
  type KeyName,
  type KeyRow,
  readKeys,
  rotateKey,
  setKeyEnabled,
} from "../keys/key-table.ts";
import { inTransaction } from "../ledger/database.ts";
import { writeLimit } from "../ledger/limit-table.ts";
import { configOption, type LedgerArguments, withLedger } from "./ledger-file.ts";
import { type LimitTerms, parseLimit, parseName, parseTenant } from "./limit-arguments.ts";
import { table } from "./table.ts";

const TENANT_DEFAULT = "default";

interface CreateArguments extends LedgerArguments {
  tenant: string;
  limit?: LimitTerms[];
}

export function addKeysCommand(program: Command): void {
  const keys = program
    .command("keys")
    .description("create, list, disable and rotate the keys that clients call with")
    .addHelpText(
      "after",
      `
A key belongs to a tenant, and what it spends counts under both. Commands work at once, whether a
supervisor is running or not.

Examples:
  $ npm run headgate -- keys create alice --tenant acme --limit usd=5/day --limit requests=1000/day
  $ npm run headgate -- keys disable acme/alice`,
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
    .argument("<name>", "unique within the tenant", parseName)
    .option("--tenant <tenant>", "who pays", parseTenant, TENANT_DEFAULT)
    .option(
      "--limit <unit=amount/window>",
      "limit of the key, such as usd=5/day; may be repeated",
      parseLimit,
    )
    .option("--json", "print JSON")
    .addOption(configOption())
    .addHelpText(
      "after",
      "\nExample:\n  $ npm run headgate -- keys create alice --tenant acme --limit usd=5/day",
    )
    .action((name: string, given: CreateArguments) => {
      const { tenant, limit: limits = [] } = given;
      const create = (database: DatabaseSync): string => {
        const created = createKey(database, { tenant, name });
        if (created === null) {
          throw new Error(
            `The tenant ${tenant} has a key named ${name} already. Choose another name, or give it a new secret with \`headgate keys rotate ${tenant}/${name}\`.`,
          );
        }
        const account = `global/${tenant}/${name}`;
        for (const terms of limits) writeLimit(database, { account, ...terms });
        return created;
      };
      // Together, so that nobody ever sees the key without its limits.
      const secret = withLedger(given, (database) => inTransaction(database, () => create(database)));
      const words = limits.map(({ unit, window, amount }) => {
        return `Limit: ${describeLimit({ unit, window, amount: BigInt(amount!) })}\n`;
      });
      show({ tenant, name, secret }, given, words.join(""));
    });
}

function addRotate(keys: Command): void {
  keys
    .command("rotate")
    .description("give a key a new secret; the old one is refused from now on")
    .argument("<tenant/name>", "the key", parseKeyName)
    .option("--json", "print JSON")
    .addOption(configOption())
    .addHelpText("after", "\nExample:\n  $ npm run headgate -- keys rotate acme/alice")
    .action((key: KeyName, given: LedgerArguments) => {
      const secret = withLedger(given, (database) => rotateKey(database, key));
      if (secret === null) throw unknownKey(key);
      show({ ...key, secret }, given, "");
    });
}

function addSwitch(keys: Command, verb: "enable" | "disable", description: string): void {
  keys
    .command(verb)
    .description(description)
    .argument("<tenant/name>", "the key", parseKeyName)
    .addOption(configOption())
    .addHelpText("after", `\nExample:\n  $ npm run headgate -- keys ${verb} acme/alice`)
    .action((key: KeyName, given: LedgerArguments) => {
      const isEnabled = verb === "enable";
      const isKnown = withLedger(given, (database) => setKeyEnabled(database, key, isEnabled));
      if (!isKnown) throw unknownKey(key);
      console.log(`The key ${key.tenant}/${key.name} is ${verb}d.`);
    });
}

function addList(keys: Command): void {
  keys
    .command("list")
    .description("list keys by the first characters of their secrets")
    .option("--json", "print JSON")
    .addOption(configOption())
    .addHelpText("after", "\nExample:\n  $ npm run headgate -- keys list")
    .action((given: LedgerArguments) => {
      const all = withLedger(given, (database: DatabaseSync) => readKeys(database, { after: 0 })).map(shown);
      if (given.json === true) return console.log(JSON.stringify(all, null, 2));
      if (all.length === 0)
        return console.log("There are no keys. Create one with `headgate keys create <name>`.");
      const rows = all.map(({ tenant, name, secret, created, status }) => {
        return [`${tenant}/${name}`, secret, status, created];
      });
      console.log(table(["key", "secret", "status", "created"], rows));
    });
}

function shown({ tenant, name, start, createdUs, disabledUs }: KeyRow): Record<string, string> & {
  tenant: string;
  name: string;
  secret: string;
  status: string;
  created: string;
} {
  const created = new Date(createdUs / MICROS_PER_MILLI).toISOString();
  return { tenant, name, secret: `${start}…`, status: disabledUs === null ? "enabled" : "disabled", created };
}

function show(key: KeyName & { secret: string }, { json }: LedgerArguments, words: string): void {
  if (json === true) return console.log(JSON.stringify(key, null, 2));
  console.log(`Key ${key.tenant}/${key.name}:\n\n  ${key.secret}\n\n${words}It is not shown again.`);
}

function parseKeyName(value: string): KeyName {
  const [tenant, name, ...rest] = value.split("/");
  if (name === undefined || rest.length > 0) {
    throw new InvalidArgumentError("write it as tenant/name, such as acme/alice");
  }
  return { tenant: parseName(tenant!), name: parseName(name) };
}

function unknownKey({ tenant, name }: KeyName): Error {
  return new Error(`There is no key ${tenant}/${name}. \`headgate keys list\` lists them.`);
}
