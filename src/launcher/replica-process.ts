import { AdminDesk } from "../administration/desk.ts";
import { assemble, type Assembly, serve } from "../assembly.ts";
import { GRACE_MS } from "../headgate.ts";
import { ledgerPath } from "../ledger/database.ts";
import { openReplicaLedger } from "../ledger/shared/replica-ledger.ts";
import { createLog } from "../observability/log.ts";
import { closeParts, type Parts } from "../parts.ts";
import { LauncherLine } from "./launcher-line.ts";
import type { ReplicaStart } from "./messages.ts";

/*
 * A process with one of several supervisors on a port. It ends when the launcher says so, or is gone: nothing can be made
 * durable without it. Signals are for the launcher: Ctrl-C reaches all processes of a terminal.
 */
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});

const parts: Parts = {};
const line = new LauncherLine();
let assembly: Assembly | null = null;
line.on({ start, listen, drain });
line.send({ kind: "hello" });

let started: ReplicaStart;

async function start(given: ReplicaStart): Promise<void> {
  started = given;
  const { config, stateFolder, name, of, reportedTo } = given;
  const log = createLog(config.log.level).child({ supervisor: name });
  const ledger = (parts.ledger = await openReplicaLedger({ stateFolder, log, channel: line.ledger }));
  const administration = (parts.administration = new AdminDesk({ path: ledgerPath(stateFolder), log }));
  const surroundings = {
    parts,
    ledger,
    administration,
    onSilentWorker: (worker: string): void => line.send({ kind: "silent_worker", worker }),
    onLeaseLost: (): never => process.exit(1),
    replica: { name, of, reportedTo, tellOthers: line.tellNews, scrapeAll: line.metricsOfAll },
  };
  const { shell, loop } = (assembly = assemble(surroundings, { config, log, variables: process.env }));
  line.on({ news: shell.hear, metricsShare: () => shell.metrics.share(loop.inspect()) });
  line.send({ kind: "assembled" });
}

async function listen(port: number): Promise<void> {
  const { config, startedMs } = started;
  const { url } = await serve(assembly!, { config, parts, port, startedMs });
  line.send({ kind: "listening", url });
}

async function drain(): Promise<void> {
  if (assembly !== null) {
    assembly.loop.submit({ kind: "drain_asked" });
    await assembly.drained;
    await closeParts(parts, GRACE_MS);
  }
  process.exit(0);
}
