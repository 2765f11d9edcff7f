/**
 * What every policy says of itself, whatever it decides: its name selects it in the configuration,
 * and the rest becomes its entry in docs/policies.md.
 *
 * A policy is one file that exports one definition, named as its file is; `npm run docs` lists it in the
 * index beside it. Adding one touches no other code.
 */
export interface PolicyDefinition<Kind extends string, Policy> {
  readonly kind: Kind;
  /** As the configuration names it; the file has the same name. */
  readonly name: string;
  /** What it does and when to choose it, in a sentence or two. */
  readonly summary: string;
  /** The definition to hold to; "" where there is nothing to compute. */
  readonly formula: string;
  /** Where the idea or the formula comes from: a paper, a project, or "Headgate". */
  readonly source: string;
  /** What it goes by that is not always there: a configuration in which nobody produces it is refused. */
  readonly needs: readonly Signal[];
  readonly parameters: Readonly<Record<string, ParameterDefinition>>;
  /** Every parameter has a value by then: the one given, or its default. */
  create(parameters: Parameters): Policy;
}

export interface ParameterDefinition {
  readonly summary: string;
  /** "" for a plain number. */
  readonly unit: string;
  readonly default: number | string;
  /** Both included; for numbers. */
  readonly min?: number;
  readonly max?: number;
  /** For text: what it may be; anything if absent. */
  readonly choices?: readonly string[];
}

export type Parameters = Readonly<Record<string, number | string>>;

/**
 * - `blocks`: the prompt in blocks, which is worked out only where a policy in use goes by it;
 * - `cache_events`: reports of what a worker's KV cache holds, which embedded workers send;
 * - `latency`: observed or configured latencies, which every endpoint has once it has answered;
 * - `labels`: names and values given to workers and remotes in the configuration;
 * - `slo`: hopes for latency, given by the configuration or by requests.
 */
export type Signal = "blocks" | "cache_events" | "latency" | "labels" | "slo";

/** A policy by name, with the parameters that differ from their defaults. */
export interface PolicyChoice {
  name: string;
  parameters: Parameters;
}

/** The policies of one kind by name. */
export type Catalogue<Definition> = Readonly<Record<string, Definition>>;

export function catalogueOf<Definition extends { readonly name: string }>(
  definitions: readonly Definition[],
): Catalogue<Definition> {
  return Object.fromEntries(definitions.map((definition) => [definition.name, definition]));
}

/** Creates the policy that is named. Throws on a name or a parameter that the configuration should have refused. */
export function createPolicy<Policy>(
  catalogue: Catalogue<PolicyDefinition<string, Policy>>,
  choice: PolicyChoice,
): Policy {
  const definition = Object.hasOwn(catalogue, choice.name) ? catalogue[choice.name] : undefined;
  if (definition === undefined) throw new Error(`There is no policy "${choice.name}".`);
  const problem = parameterProblem(definition, choice.parameters);
  if (problem !== null) throw new Error(`${choice.name}: ${problem.parameter} ${problem.message}`);
  const defaults = Object.entries(definition.parameters).map(([name, parameter]) => [
    name,
    parameter.default,
  ]);
  return definition.create({ ...Object.fromEntries(defaults), ...choice.parameters });
}

/** What is wrong with given parameters, the first of it; null when they are all right. */
export function parameterProblem(
  { parameters }: Pick<PolicyDefinition<string, unknown>, "parameters">,
  given: Parameters,
): { parameter: string; message: string } | null {
  for (const [parameter, value] of Object.entries(given)) {
    const message = problemOf(
      Object.hasOwn(parameters, parameter) ? parameters[parameter] : undefined,
      value,
    );
    if (message !== null) return { parameter, message };
  }
  return null;
}

function problemOf(definition: ParameterDefinition | undefined, value: number | string): string | null {
  if (definition === undefined) return "is no parameter of this policy";
  const { default: usual, min = -Infinity, max = Infinity, choices } = definition;
  if (typeof value !== typeof usual) return `must be a ${typeof usual === "number" ? "number" : "text"}`;
  if (typeof value === "number") {
    return value >= min && value <= max ? null : `must be from ${min} to ${max}`;
  }
  return choices === undefined || choices.includes(value) ? null : `must be one of ${choices.join(", ")}`;
}
