import { InvalidArgumentError } from "commander";
import { unknownName } from "../config/nearest-name.ts";
import { SECTIONS } from "../config/scheduling-schema.ts";

/** What `headgate policy set` can set by a few words: what the words become, in the form of the configuration. */
const READERS: Readonly<Record<string, (words: readonly string[]) => object>> = {
  placement: (words) => ({ placement: { policy: only(words) } }),
  canary: (words) => ({ placement: { canary: canary(words) } }),
  bands: (words) => ({ queue: { band_policy: policy(words) } }),
  fairness: (words) => ({ queue: { fairness: policy(words) } }),
  ordering: (words) => ({ queue: { ordering: policy(words) } }),
  batching: (words) => ({ queue: { batching: policy(words) } }),
  saturation: (words) => ({ admission: { saturation: policy(words) } }),
  shedding: (words) => ({ admission: { shedding: policy(words) } }),
  hedge: (words) => ({ tail: { hedge: isOn(words) ? "on" : "off" } }),
  breaker: (words) => ({ tail: { breaker: isOn(words) ? "on" : "off" } }),
  migration: (words) => ({ tail: { migration: isOn(words) } }),
};

export const SETTABLE: readonly string[] = Object.keys(READERS);

/** `fairness`, `vtc`, `input_weight=1` as what `PUT /admin/policy` takes. */
export function patchFromWords(setting: string, words: readonly string[]): object {
  const read = Object.hasOwn(READERS, setting) ? READERS[setting] : undefined;
  if (read !== undefined) return read(words);
  throw new InvalidArgumentError(unknownName("setting", setting, SETTABLE));
}

/** A section as it would stand in the configuration, without the section's name. */
export function patchFromFile(section: string, document: unknown): object {
  if (SECTIONS.some((known) => known === section)) return { [section]: document };
  throw new InvalidArgumentError(unknownName("section", section, SECTIONS));
}

function only(words: readonly string[]): string {
  const [word, ...rest] = words;
  if (word !== undefined && rest.length === 0) return word;
  throw new InvalidArgumentError("give one name");
}

function isOn(words: readonly string[]): boolean {
  const word = only(words);
  if (word === "on" || word === "off") return word === "on";
  throw new InvalidArgumentError("say on or off");
}

function canary(words: readonly string[]): object | string {
  if (words.length === 1 && words[0] === "off") return "off";
  const [profile, share] = words;
  if (words.length === 2) return { profile, share: Number(share) };
  throw new InvalidArgumentError(
    "give a profile and its share from 0 to 1, such as: canary least-request 0.1; or off",
  );
}

function policy([name, ...parameters]: readonly string[]): object | string {
  if (name === undefined || name.includes("="))
    throw new InvalidArgumentError("give the name of a policy first");
  if (parameters.length === 0) return name;
  return { name, ...Object.fromEntries(parameters.map(parameter)) };
}

function parameter(word: string): [string, number | string] {
  const equals = word.indexOf("=");
  const value = word.slice(equals + 1);
  if (equals < 1 || value === "")
    throw new InvalidArgumentError(`"${word}" is no parameter: write name=value`);
  return [word.slice(0, equals), Number.isNaN(Number(value)) ? value : Number(value)];
}
