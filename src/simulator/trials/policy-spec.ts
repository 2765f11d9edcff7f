/** A combination of policies under test, as a command line names it. */
export interface PolicySpec {
  name: string;
  /** In the words of the configuration file; what is left out stays as it is there. */
  settings: PolicySettings;
}

/** What a command line can say of policies: names, with parameters where there are any. */
export type PolicySettings = Partial<Record<PolicyPart, string>>;

export const POLICY_PARTS = [
  "config",
  "placement",
  "fairness",
  "ordering",
  "bands",
  "saturation",
  "shedding",
  "batching",
] as const;
export type PolicyPart = (typeof POLICY_PARTS)[number];

/** A policy and its parameters, as the configuration file has them. */
export type PolicySettingValue = string | Record<string, string | number>;

/**
 * Reads `fair=placement:kv-router,fairness:las(half_life=30)`. Without a name in front it is
 * named by what it says. Throws when it can't be read.
 */
export function parsePolicy(text: string): PolicySpec {
  const [, given, rest] = /^(?:([\w.-]+)=)?(.*)$/s.exec(text) ?? [];
  const settings: PolicySettings = {};
  for (const part of partsOf(rest ?? "")) {
    const colon = part.indexOf(":");
    const key = part.slice(0, colon).trim();
    const value = part.slice(colon + 1).trim();
    const known = POLICY_PARTS.find((name) => name === key);
    if (colon < 1 || known === undefined || value === "") {
      throw new Error(
        `--policy: "${part}" can't be read: write name=placement:kv-router,fairness:vtc with any of ${POLICY_PARTS.join(", ")}.`,
      );
    }
    settings[known] = value;
  }
  return { name: given ?? Object.values(settings).join(" + "), settings };
}

/** `name` or `name(parameter=value,…)`. */
export function parsePolicyValue(text: string): PolicySettingValue {
  const [, name, list] = /^([\w.-]+)(?:\((.*)\))?$/s.exec(text) ?? [];
  if (name === undefined) throw new Error(`"${text}" is no policy: write name or name(parameter=value).`);
  if (list === undefined || list.trim() === "") return name;
  const parameters = list.split(",").map((assignment) => {
    const [parameter, value] = assignment.split("=", 2).map((piece) => piece.trim());
    if (!parameter || !value)
      throw new Error(`"${assignment}" in "${text}" can't be read: write parameter=value.`);
    return [parameter, Number.isNaN(Number(value)) ? value : Number(value)] as const;
  });
  return { name, ...Object.fromEntries(parameters) };
}

/** Cut at commas, but not within parentheses. */
function partsOf(text: string): string[] {
  return text.split(/,(?![^(]*\))/).filter((part) => part.trim() !== "");
}
