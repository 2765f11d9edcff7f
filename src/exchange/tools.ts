import type { HeadgateError } from "../core/errors.ts";
import { invalid, isObject } from "./client-request.ts";
import type { Document } from "./client-request.ts";
import type { Grammar, ToolDefinition } from "./prompt.ts";

/** What a request says of tools, all in all. */
export interface ToolUse {
  /** Shown to the model; none where it may not call any. */
  tools: ToolDefinition[];
  choice: "none" | "auto" | "required";
  /** Those it may choose from where a call is required. */
  callable: ToolDefinition[];
  /** Whether it may call several at once. */
  isParallel: boolean;
}

const TOOLS_MAX = 128;
const NAME = /^[\w-]{1,64}$/;

export function readToolUse(document: Document): ToolUse | HeadgateError {
  const legacy = legacyFault(document);
  if (legacy !== null) return legacy;
  const tools = readTools(document["tools"] ?? []);
  if ("code" in tools) return tools;
  const isParallel = document["parallel_tool_calls"] ?? true;
  if (typeof isParallel !== "boolean") {
    return invalid("parallel_tool_calls", "`parallel_tool_calls` must be a boolean.");
  }
  const choice = document["tool_choice"] ?? "auto";
  if (choice === "none" || (choice === "auto" && tools.length === 0)) {
    return { tools: [], choice: "none", callable: [], isParallel };
  }
  if (choice === "auto") return { tools, choice, callable: tools, isParallel };
  const callable = chosen(choice, tools);
  return "code" in callable ? callable : { tools, choice: "required", callable, isParallel };
}

/** OpenAI's first form of tools; what asks for none of them is let through. */
function legacyFault(document: Document): HeadgateError | null {
  const functions = document["functions"] ?? [];
  if (!Array.isArray(functions) || functions.length > 0) {
    return invalid("functions", "`functions` is the older form of `tools`: use those.");
  }
  const call = document["function_call"] ?? "none";
  if (call === "none" || call === "auto") return null;
  return invalid("function_call", "`function_call` is the older form of `tool_choice`: use that.");
}

function chosen(choice: unknown, tools: ToolDefinition[]): ToolDefinition[] | HeadgateError {
  if (choice === "required") {
    return tools.length > 0
      ? tools
      : invalid("tool_choice", "`tool_choice` is required, and there are no `tools`.");
  }
  const { type, function: named } = isObject(choice) ? choice : {};
  const name = isObject(named) ? named["name"] : undefined;
  if (type !== "function" || typeof name !== "string") {
    const form = '{"type": "function", "function": {"name"}}';
    return invalid("tool_choice", `\`tool_choice\` must be none, auto, required or ${form}.`);
  }
  const tool = tools.find((one) => one.function.name === name);
  if (tool !== undefined) return [tool];
  return invalid("tool_choice", "`tool_choice` names a function that is not among `tools`.");
}

function readTools(tools: unknown): ToolDefinition[] | HeadgateError {
  if (!Array.isArray(tools) || tools.length > TOOLS_MAX) {
    return invalid("tools", `\`tools\` must be an array of at most ${TOOLS_MAX} tools.`);
  }
  const read: ToolDefinition[] = [];
  const names = new Set<string>();
  for (const [index, tool] of tools.entries()) {
    const one = readTool(tool, `tools[${index}]`);
    if ("code" in one) return one;
    const { name } = one.function;
    if (names.has(name)) return invalid(`tools[${index}].function.name`, `Two tools have the name ${name}.`);
    names.add(name);
    read.push(one);
  }
  return read;
}

function readTool(tool: unknown, param: string): ToolDefinition | HeadgateError {
  const { type, function: defined } = isObject(tool) ? tool : {};
  if (type !== "function" || !isObject(defined)) {
    return invalid(param, `\`${param}\` must be a tool of type \`function\`.`);
  }
  const { name } = defined;
  if (typeof name !== "string" || !NAME.test(name)) {
    const message = `\`${param}.function.name\` must be 1 to 64 letters, digits, _ or -.`;
    return invalid(`${param}.function.name`, message);
  }
  const description = defined["description"] ?? null;
  if (description !== null && typeof description !== "string") {
    return invalid(`${param}.function.description`, `\`${param}.function.description\` must be a string.`);
  }
  const parameters = defined["parameters"] ?? null;
  if (parameters !== null && !isObject(parameters)) {
    return invalid(`${param}.function.parameters`, `\`${param}.function.parameters\` must be a JSON schema.`);
  }
  return {
    type,
    function: {
      name,
      ...(description === null ? {} : { description }),
      ...(parameters === null ? {} : { parameters }),
    },
  };
}

const NO_PARAMETERS = { type: "object", properties: {}, additionalProperties: false };

/**
 * Leaves the model nothing to say but one call of one of these tools:
 * `{"name": "its name", "arguments": {…}}`, in this order.
 */
export function callGrammar(tools: readonly ToolDefinition[]): Grammar {
  const definitions: Record<string, unknown> = {};
  const calls = tools.map(({ function: { name, parameters } }, index) => {
    // References in a schema count from its root, which is no longer the whole.
    const root = `#/$defs/parameters${index}`;
    const hasReferences = parameters !== undefined && JSON.stringify(parameters).includes('"$ref"');
    if (hasReferences) definitions[`parameters${index}`] = rebased(parameters, root);
    return {
      type: "object",
      properties: {
        name: { const: name },
        arguments: hasReferences ? { $ref: root } : (parameters ?? NO_PARAMETERS),
      },
      required: ["name", "arguments"],
      additionalProperties: false,
    };
  });
  const [only] = calls;
  const schema = calls.length === 1 && only !== undefined ? only : { anyOf: calls };
  return { json_schema: Object.keys(definitions).length === 0 ? schema : { ...schema, $defs: definitions } };
}

/** The schema with its references to `#` and what is below moved to `root`. */
function rebased(schema: unknown, root: string): unknown {
  if (Array.isArray(schema)) return schema.map((item) => rebased(item, root));
  if (!isObject(schema)) return schema;
  const moved: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(schema)) {
    const isReference = key === "$ref" && typeof value === "string" && /^#(\/|$)/.test(value);
    moved[key] = isReference ? root + value.slice(1) : rebased(value, root);
  }
  return moved;
}
