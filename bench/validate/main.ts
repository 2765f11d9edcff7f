import { writeFileSync } from "node:fs";
import { Command, Option } from "commander";
import { describeMachine, renderMachine } from "../machine.ts";
import { GROUPS } from "./lines/index.ts";
import { exitCodeOf, type GroupReport, renderEnd, renderLine, renderMarkdown, reportOf } from "./report.ts";

interface Options {
  only?: string[];
  match: string;
  quick?: boolean;
  json?: string;
  markdown?: string;
}

const options = new Command("npm run validate --")
  .description(
    "Holds the scheduler and its simulator to what is known: expected, got and verdict, line by line.",
  )
  .addOption(new Option("--only <groups...>", "run these").choices(GROUPS.map(({ name }) => name)))
  .option("--match <text>", "only lines with this in their name", "")
  .option("--quick", "shorter runs: a first look, which says little of what is close")
  .option("--json <file>", "write machine and lines into this file too")
  .option("--markdown <file>", "write the page for the docs into this file too")
  .parse()
  .opts<Options>();

const machine = describeMachine();
console.log(`${renderMachine(machine)}\n`);
const reports: GroupReport[] = [];
for (const group of GROUPS) {
  if (options.only !== undefined && !options.only.includes(group.name)) continue;
  const report = reportOf(group);
  reports.push(report);
  console.log(`${group.name}: ${group.source}`);
  for await (const line of group.run({ isQuick: options.quick === true, match: options.match })) {
    if (!line.what.includes(options.match)) continue;
    report.lines.push(line);
    console.log(renderLine(line));
  }
  console.log("");
}
console.log(renderEnd(reports));
if (options.json !== undefined)
  writeFileSync(options.json, `${JSON.stringify({ machine, reports }, null, 2)}\n`);
if (options.markdown !== undefined) writeFileSync(options.markdown, renderMarkdown(reports, machine));
process.exitCode = exitCodeOf(reports);
