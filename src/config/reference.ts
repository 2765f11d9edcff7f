import { z } from "zod";
import { configSchema } from "./schema.ts";

interface JsonSchema {
  type?: string | string[];
  description?: string;
  default?: unknown;
  enum?: unknown[];
  properties?: Record<string, JsonSchema>;
  /** Of names of one's choice; its title is what they are names of. */
  propertyNames?: { title?: string };
  additionalProperties?: JsonSchema | boolean;
  items?: JsonSchema;
  required?: string[];
  anyOf?: JsonSchema[];
  /** Ours, for what JSON Schema has no short word for. */
  typeName?: string;
}

const HEADER = `# Configuration

Made from \`src/config/schema.ts\` by \`npm run docs\`. Headgate reads \`headgate.yaml\`, or the file given with
\`--config\`, checks it when it starts, and names line and column of anything that is wrong. Times are in seconds and
sizes in bytes. \`<name>\` stands for a name of your choice, \`<tenant/key>\` for a key with all that it is in, such as
\`acme/research/alice\`, \`[]\` for each entry of a list.

| setting | type | default | meaning |
| --- | --- | --- | --- |
`;

const FOOTER = `
Every model that is configured needs a price, or falls under \`default_price\`. \`prices\` may also name models that
only workers started elsewhere will serve. [prices.md](prices.md) says how prices change with time, and how they are taken over
from LiteLLM's file or reckoned from the GPU-hour. Limits and keys are not settings: \`headgate budgets\` and
\`headgate keys\` keep them in the ledger, where they bind without a restart.

[policies.md](policies.md) lists the policies and their parameters. Without \`queue.bands\` there are three: \`high\` (weight
4), \`normal\` (2) and \`low\` (1, sheddable). \`headgate policy set\` replaces \`placement\`, \`queue\`, \`admission\` and \`tail\`
while requests run, but for \`placement.prefix\` and \`placement.signals\`, and leaves the file as it is.

A call that a proxy has passed on, which its headers tell, counts as coming from elsewhere even where the proxy runs on
this machine: it needs a key, and can't report as a worker. Where a proxy adds no such headers, set \`server.keyless\` to
\`never\`, and keep \`/coordinator/health/*\` and
\`/admin/*\` from being passed on. \`headgate status\` then needs a key in \`HEADGATE_KEY\`, and
\`headgate policy set\` one with the role \`admin\` that was made in \`global\`.

Environment variables: \`HOST\` and \`PORT\` stand for \`server.host\` and \`server.port\`; for \`headgate worker\`,
\`MODEL_PATH\`, \`HOST\`, \`PORT\`, \`WORKER_ID\`, \`WORKER_URL\` and \`COORDINATOR_URL\` stand for its options. A
command-line option wins over its variable, and both win over the file.
`;

/** The configuration reference as Markdown: one row for each setting. */
export function configReference(): string {
  const schema = z.toJSONSchema(configSchema, { io: "input", unrepresentable: "any" }) as JsonSchema;
  return HEADER + rows(schema, "").join("\n") + "\n" + FOOTER;
}

function rows(schema: JsonSchema, path: string): string[] {
  const whenOn = groupThatMayBeOff(schema);
  if (whenOn !== undefined) return [offRow(path, schema), ...rows(whenOn, path)];
  if (schema.properties !== undefined) {
    return Object.entries(schema.properties).flatMap(([key, property]) => {
      const isRequired = schema.required?.includes(key) === true;
      const here = path === "" ? key : `${path}.${key}`;
      return isGroup(property) ? rows(property, here) : [row(here, property, isRequired)];
    });
  }
  if (schema.items !== undefined) return rows(schema.items, `${path}[]`);
  const { title = "name" } = schema.propertyNames ?? {};
  return rows(schema.additionalProperties as JsonSchema, `${path}.<${title}>`);
}

/** The settings that stand where `off` may stand as well; undefined for all else. */
function groupThatMayBeOff({ anyOf }: JsonSchema): JsonSchema | undefined {
  return anyOf?.find(({ properties }) => properties !== undefined);
}

function offRow(path: string, { default: usual, description }: JsonSchema): string {
  const fallback = usual === "off" ? "`off`" : "on";
  return `| \`${path}\` | \`off\` or these | ${fallback} | ${description ?? ""} |`;
}

/** Whether the setting is only there to hold others. */
function isGroup(schema: JsonSchema): boolean {
  const { properties, items, additionalProperties } = schema;
  if (schema.typeName === undefined && groupThatMayBeOff(schema) !== undefined) return true;
  const inner = items ?? (typeof additionalProperties === "object" ? additionalProperties : undefined);
  return properties !== undefined || inner?.properties !== undefined;
}

function row(path: string, schema: JsonSchema, isRequired: boolean): string {
  const fallback = isRequired
    ? "required"
    : schema.default === undefined
      ? ""
      : `\`${JSON.stringify(schema.default)}\``;
  return `| \`${path}\` | ${typeName(schema)} | ${fallback} | ${schema.description ?? ""} |`;
}

function typeName({ type, enum: choices, items, additionalProperties, typeName: own }: JsonSchema): string {
  if (own !== undefined) return own;
  if (choices !== undefined) return choices.map((choice) => `\`${String(choice)}\``).join(" or ");
  if (items !== undefined) return `list of ${String(items.type)}s`;
  if (typeof additionalProperties === "object") return "map of names";
  return [type ?? "any"].flat().join(" or ");
}
