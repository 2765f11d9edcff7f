import type { ProfileConfig } from "../core/config.ts";
import type { ParameterDefinition, PolicyChoice, Signal } from "../core/policy.ts";
import { type AnyDefinition, POLICY_KINDS, type PolicyKind, PROFILES } from "./catalogues.ts";

const HEADER = `# Policies

Made from the policies in \`src/core/*/policies/\` by \`npm run docs\`. A policy is selected by its name in
\`headgate.yaml\`, alone or with the parameters that differ from their defaults:

\`\`\`yaml
placement:
  policy: mine
  profiles:
    mine:
      filters: [context-length]
      scorers:
        - { name: prefix-approx, weight: 2 }
        - token-load
      picker: max-score
queue:
  fairness: vtc
  ordering: { name: fcfs }
\`\`\`

What can't work is refused when Headgate starts, with file, line and column: a name that does not exist, a parameter out
of its range, and a policy that goes by what nobody produces. While requests run, \`headgate policy set fairness vtc\` or
\`PUT /admin/policy\` put others in force, checked in the same way; nothing that waits or runs is dropped. All settings
are in [configuration.md](configuration.md).

## What policies go by

Whatever is learnt lives in one place and not in policies, so one that takes over knows what its predecessor knew. What
a policy **needs** beside that:

| signal | what it is | where it comes from |
| --- | --- | --- |
`;

const SIGNALS: Readonly<Record<Signal, { words: string; from: string }>> = {
  blocks: {
    words: "the beginnings of prompts, in blocks known by a hash",
    from: "every request; worked out only where a policy in force needs it, at about 2 µs a KiB",
  },
  cache_events: {
    words: "what workers' KV caches hold",
    from: "embedded workers: one has to be under `workers`",
  },
  latency: { words: "how long endpoints take", from: "every endpoint, once it has answered" },
  labels: { words: "what workers are", from: "`labels` of any worker or remote in the configuration" },
  slo: { words: "hopes for latency", from: "`placement.slo`, which headers of a request override" },
};

const OWN_POLICY = `
## A policy of your own

One file, and its test. The file's name is the policy's, and what it exports is that name in camelCase:

\`\`\`ts
// src/core/placement/policies/scorers/longest-idle.ts
import type { ScorerDefinition } from "../../contracts.ts";

export const longestIdle: ScorerDefinition = {
  kind: "scorer",
  name: "longest-idle",
  summary: "Prefers the endpoint that was picked longest ago, to keep all of them warm.",
  formula: "1 ÷ (1 + rank by last pick)",
  source: "Headgate",
  needs: [],
  parameters: {},
  create: () => ({
    score(candidates, _packet, scores) {
      for (const [i, { pickedAt }] of candidates.entries()) {
        scores[i] = 1 / (1 + candidates.filter((other) => other.pickedAt < pickedAt).length);
      }
    },
  }),
};
\`\`\`

1. \`npm run docs\` puts it in the index beside it and on this page; the configuration, the command line and the
   simulator accept its name from then on.
2. Hold it to its formula in \`test/core/placement/longest-idle.test.ts\`. Policies are pure: no clock, no randomness but
   \`context.random\`, no import from outside \`src/core\`, and \`npm test\` fails on any.
3. See what it is worth: \`headgate simulate compare\` sets it against others, \`headgate policy set canary\` gives it a share
   of live requests.
`;

/** The catalogue of policies as Markdown. */
export function policyReference(): string {
  const signals = Object.entries(SIGNALS).map(
    ([signal, { words, from }]) => `| \`${signal}\` | ${words} | ${from} |`,
  );
  const kinds = Object.values<PolicyKind>(POLICY_KINDS).map(kindSection);
  return `${HEADER}${signals.join("\n")}\n\n${profileSection()}\n${kinds.join("\n")}${OWN_POLICY}`;
}

function profileSection(): string {
  const profiles = Object.values(PROFILES).toSorted(byName);
  const rows = profiles.map((profile) => {
    return `| \`${profile.name}\` | ${profile.summary} | ${composition(profile)} | ${profile.source} |`;
  });
  return `## Profiles

A profile is what places packets: filters, scorers by weight, and a picker. \`placement.policy\` selects one of these, or one
under \`placement.profiles\`; \`placement.canary\` tries a second one on a share of the requests.

| profile | what it does | made of | source |
| --- | --- | --- | --- |
${rows.join("\n")}
`;
}

function composition({ filters, scorers, picker, batch }: ProfileConfig): string {
  const weighted = scorers.map(({ weight, ...scorer }) => `${weight} × ${choiceText(scorer)}`);
  return [
    ...filters.map(choiceText),
    ...weighted,
    choiceText(picker),
    ...(batch === undefined ? [] : [choiceText(batch)]),
  ].join(", ");
}

function choiceText({ name, parameters }: PolicyChoice): string {
  const given = Object.entries(parameters).map(([parameter, value]) => `${parameter} ${value}`);
  return given.length === 0 ? `\`${name}\`` : `\`${name}\` (${given.join(", ")})`;
}

function kindSection({ heading, summary, setting, policies }: PolicyKind): string {
  const entries = Object.values(policies).toSorted(byName).map(policySection);
  return `## ${heading}\n\n${summary} Selected by \`${setting}\`.\n\n${entries.join("\n")}`;
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1;
}

function policySection({ name, summary, formula, source, needs, parameters }: AnyDefinition): string {
  const facts = [
    ...(formula === "" ? [] : [`Formula: \`${formula}\`.`]),
    ...(needs.length === 0 ? [] : [`Needs: ${needs.map((signal) => `\`${signal}\``).join(", ")}.`]),
    ...(source === "" ? [] : [`Source: ${source.replace(/\.$/, "")}.`]),
  ];
  const rows = Object.entries(parameters).map(([parameter, definition]) =>
    parameterRow(parameter, definition),
  );
  const table =
    rows.length === 0
      ? ""
      : `\n| parameter | default | range | meaning |\n| --- | --- | --- | --- |\n${rows.join("\n")}\n`;
  return `### \`${name}\`\n\n${[summary, ...facts].join("\n")}\n${table}`;
}

function parameterRow(
  name: string,
  { summary, unit, default: usual, min, max, choices }: ParameterDefinition,
): string {
  const value = usual === "" ? "empty" : `\`${usual}\`${unit === "" ? "" : ` ${unit}`}`;
  const range =
    choices === undefined
      ? numberRange(min, max, typeof usual)
      : choices.map((choice) => `\`${choice}\``).join(", ");
  return `| \`${name}\` | ${value} | ${range} | ${summary} |`;
}

function numberRange(min: number | undefined, max: number | undefined, type: string): string {
  if (type === "string") return "any text";
  if (min === undefined) return max === undefined ? "any number" : `up to ${max}`;
  return max === undefined ? `${min} or more` : `${min} to ${max}`;
}
