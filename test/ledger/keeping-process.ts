import { pino } from "pino";
import { NOTHING } from "../../src/core/budget/charge.ts";
import { openSharedLedger } from "../../src/ledger/shared/shared-ledger.ts";
import { TestReplica } from "./replica.ts";

/**
 * Keeps a ledger for two replicas that spend until it is killed. Prints the name of a replica and how many of its entries
 * are durable, whenever it is told.
 */
const stateFolder = process.argv[2]!;
const log = pino({ level: "silent" });
const keeper = openSharedLedger({ stateFolder, log, onSilent: () => {} });
const CHARGE = { ...NOTHING, nanoUsd: 1_000, requests: 1 };

async function spend(name: string): Promise<void> {
  const replica = await TestReplica.join(keeper, name, { stateFolder, closeMsMax: 100 });
  let told = 0;
  for (let i = 0; ; i++) {
    const id = `${name}/${process.pid}/${i}`;
    await replica.hold(id, `global/acme/${name}`, CHARGE);
    if (i % 3 !== 0) replica.post(id, CHARGE);
    if (replica.durable === told) continue;
    told = replica.durable;
    process.stdout.write(`${name} ${told}\n`);
  }
}

await Promise.all([spend("a"), spend("b")]);
