import { writeFileSync } from "node:fs";
import { Command, Option } from "commander";
import { parseCount, parsePort, parseSeed } from "../../src/cli/arguments.ts";
import { describeMachine, renderMachine } from "../machine.ts";
import { startGateway } from "./gateways/index.ts";
import { Unavailable } from "./gateways/gateway.ts";
import { exitCode, render, renderMarkdown } from "./report.ts";
import { SCENARIOS } from "./scenarios/index.ts";
import { torture } from "./torture.ts";

/** Nothing could be measured. */
const EXIT_UNAVAILABLE = 2;

interface Options {
  gateway: string;
  replicas: number;
  only?: string[];
  seed: number;
  quick?: boolean;
  stormSeconds?: number;
  upstreamPort: number;
  json?: string;
  markdown?: string;
}

const options = new Command("npm run bench:budget-torture --")
  .description("Puts a gateway's budgets under stress. bench/budget-torture/README.md says how to read it.")
  .option("--gateway <name>", "headgate, litellm, or the file that describes another one", "headgate")
  .option("--replicas <number>", "processes of the gateway that share the caps", parseCount, 1)
  .addOption(new Option("--only <scenarios...>", "run these").choices(SCENARIOS.map(({ name }) => name)))
  .option("--seed <number>", "where random choices start", parseSeed, 1)
  .option("--quick", "less of everything: a first look")
  .option("--storm-seconds <number>", "how long replicas are killed in turn (default: 30, or 8)", parseCount)
  .option("--upstream-port <port>", "where its upstream listens, and at the port after it", parsePort, 0)
  .option("--json <file>", "write machine and figures into this file too")
  .option("--markdown <file>", "write the table into this file too")
  .parse()
  .opts<Options>();

const machine = describeMachine();
console.log(`${renderMachine(machine)}\nseed     ${options.seed}\n`);
try {
  const report = await torture({
    start: (wish) => startGateway(options.gateway, wish),
    replicas: options.replicas,
    scenarios: SCENARIOS,
    only: options.only ?? [],
    seed: options.seed,
    isQuick: options.quick === true,
    stormMs: 1_000 * (options.stormSeconds ?? (options.quick === true ? 8 : 30)),
    upstreamPort: options.upstreamPort,
    onStart: ({ name, what }) => console.log(`${name}: ${what}`),
    onReport: ({ verdict, seconds }) => console.log(`  ${verdict}, ${seconds.toFixed(1)} s`),
  });
  console.log(`\n${report.gateway}; amounts in millionths of a USD\n\n${render(report)}`);
  if (options.json !== undefined) {
    writeFileSync(options.json, `${JSON.stringify({ machine, ...report }, null, 2)}\n`);
  }
  if (options.markdown !== undefined) writeFileSync(options.markdown, renderMarkdown(report));
  process.exitCode = exitCode(report);
} catch (error) {
  if (!(error instanceof Unavailable)) throw error;
  console.error(error.message);
  process.exitCode = EXIT_UNAVAILABLE;
}
