import { type Command, InvalidArgumentError } from "commander";
import { stringify } from "yaml";
import { POLICY_KINDS, PROFILES } from "../config/catalogues.ts";
import { placeOfSetting, readPart } from "../config/load.ts";
import type { SettingChange } from "../config/scheduling-patch.ts";
import type { PolicyChange } from "../gateway/policy-desk.ts";
import type { CanaryReport } from "../observability/canary.ts";
import { patchFromFile, patchFromWords, SETTABLE } from "./policy-arguments.ts";
import { askSupervisor, RefusedError, urlOption } from "./supervisor.ts";
import { table } from "./table.ts";

const EXAMPLES = `
Examples:
  $ npm run headgate -- policy list
  $ npm run headgate -- policy set placement least-request
  $ npm run headgate -- policy set fairness vtc
  $ npm run headgate -- policy set canary least-request 0.1
  $ npm run headgate -- policy canary
  $ npm run headgate -- policy set canary off
  $ npm run headgate -- policy set placement --file placement.yaml`;

const WIDTH = 100;

interface PolicyArguments {
  url: string;
  json?: boolean;
}

export function addPolicyCommand(program: Command): void {
  const policy = program
    .command("policy")
    .description("list the policies there are; show and set those in force, while requests run")
    .addHelpText("after", EXAMPLES);
  addList(policy);
  addShow(policy);
  addSet(policy);
  addCanary(policy);
}

function addList(policy: Command): void {
  policy
    .command("list")
    .description("list every policy with what it does; docs/policies.md says more")
    .option("--json", "print JSON")
    .action(({ json }: Pick<PolicyArguments, "json">) => {
      const all = [...profiles(), ...policies()];
      if (json === true) return console.log(JSON.stringify(all, null, 2));
      const rows = all.map(({ kind, name, summary }) => [kind, name, firstSentence(summary)]);
      console.log(table(["kind", "name", "what it does"], rows));
    });
}

interface Listed {
  kind: string;
  name: string;
  summary: string;
  /** What selects it in the configuration. */
  setting: string;
  parameters: object;
}

function profiles(): Listed[] {
  return Object.values(PROFILES).map(({ name, summary }) => {
    return { kind: "profile", name, summary, setting: "placement.policy", parameters: {} };
  });
}

function policies(): Listed[] {
  return Object.entries(POLICY_KINDS).flatMap(([kind, { policies: each, setting }]) => {
    return Object.values(each).map(({ name, summary, parameters }) => ({
      kind,
      name,
      summary,
      setting,
      parameters,
    }));
  });
}

function firstSentence(text: string): string {
  const [sentence] = text.split(/(?<=[.;:])\s/);
  return sentence!.length <= WIDTH ? sentence! : `${sentence!.slice(0, WIDTH - 1)}…`;
}

function addShow(policy: Command): void {
  policy
    .command("show")
    .description("show the policies in force, as they would stand in headgate.yaml")
    .addOption(urlOption())
    .option("--json", "print JSON")
    .action(async ({ url, json }: PolicyArguments) => {
      const inForce = await askSupervisor(url, "/admin/policy");
      console.log(json === true ? JSON.stringify(inForce, null, 2) : stringify(inForce).trimEnd());
    });
}

function addSet(policy: Command): void {
  policy
    .command("set")
    .description("put another policy in force, for requests that wait as well; the file stays as it is")
    .argument("<setting>", `what to set: ${SETTABLE.join(", ")}`)
    .argument("[value...]", "name of a policy and parameters as name=value; for canary a profile and a share")
    .option(
      "-f, --file <part.yaml>",
      "take the settings of the section placement, queue, admission or tail from a file",
    )
    .addOption(urlOption())
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (setting: string, words: string[], given: PolicyArguments & { file?: string }) => {
      const { url, json, file } = given;
      if (file !== undefined && words.length > 0)
        throw new InvalidArgumentError("give a value or --file, not both");
      const answer =
        file === undefined
          ? await put(url, patchFromWords(setting, words))
          : await putFile(url, setting, file);
      if (json === true) return console.log(JSON.stringify(answer, null, 2));
      console.log(describeChanges(answer.changed));
    });
}

async function put(url: string, patch: object): Promise<PolicyChange> {
  return (await askSupervisor(url, "/admin/policy", patch)) as PolicyChange;
}

/** What is refused is named with its place in the file. */
async function putFile(url: string, section: string, path: string): Promise<PolicyChange> {
  const { text, document } = readPart(path);
  try {
    return await put(url, patchFromFile(section, document));
  } catch (error) {
    if (!(error instanceof RefusedError) || error.param === null) throw error;
    // The supervisor counts from the top of the configuration, the file from its section on.
    const keys = error.param.split(".").slice(1);
    throw new Error(`${placeOfSetting(text, { path, keys })}: ${error.message}`, { cause: error });
  }
}

function describeChanges(changed: readonly SettingChange[]): string {
  if (changed.length === 0) return "Nothing changed: this is in force already.";
  const lines = changed.map(
    ({ setting, before, after }) => `${setting}: ${inWords(before)} → ${inWords(after)}`,
  );
  return [...lines, "In force until Headgate starts anew; write it into headgate.yaml to keep it."].join(
    "\n",
  );
}

function inWords(value: unknown): string {
  if (value === undefined) return "none";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function addCanary(policy: Command): void {
  policy
    .command("canary")
    .description("compare the placement profile in use with the one that is tried beside it")
    .addOption(urlOption())
    .option("--json", "print JSON")
    .action(async ({ url, json }: PolicyArguments) => {
      const report = (await askSupervisor(url, "/admin/canary")) as CanaryReport;
      console.log(json === true ? JSON.stringify(report, null, 2) : describeCanary(report));
    });
}

function describeCanary({ profile, canary, share, profiles: each, difference }: CanaryReport): string {
  const rows = each.map(({ profile: name, requests, completed, cost_usd, ttft_ms: ttft }) => {
    const counts = [String(requests), String(completed), cost_usd.toFixed(6)];
    return [name, ...counts, ms(ttft?.mean), ms(ttft?.p50), ms(ttft?.p99)];
  });
  const header = ["profile", "requests", "completed", "usd", "ttft mean ms", "p50", "p99"];
  const trial =
    canary === null ? "; no canary is set" : `, and ${canary} for ${(share * 100).toFixed(1)} % of requests`;
  const lines = [`In use: ${profile}${trial}`, "", table(header, rows)];
  if (canary !== null && difference === null) lines.push("", "Too few requests for a comparison yet.");
  if (canary !== null && difference !== null) {
    const { ttft_mean_ms: mean, p_welch, p_mann_whitney, verdict } = difference;
    const tests = `p = ${p_welch.toPrecision(2)} by means, ${p_mann_whitney.toPrecision(2)} by ranks`;
    lines.push(
      "",
      `${canary}: ${VERDICTS[verdict]}; ${mean >= 0 ? "+" : ""}${mean.toFixed(1)} ms on average (${tests})`,
    );
  }
  return lines.join("\n");
}

function ms(value: number | undefined): string {
  return value === undefined ? "" : value.toFixed(1);
}

const VERDICTS: Record<NonNullable<CanaryReport["difference"]>["verdict"], string> = {
  faster: "faster to the first token",
  slower: "slower to the first token",
  same: "no difference beyond chance",
  unclear: "unclear: means and ranks say opposite things",
};
