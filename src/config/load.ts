import { existsSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { isMap, isPair, LineCounter, parseDocument, type Document, type Node } from "yaml";
import { z } from "zod";
import type { Prices } from "../prices/price-entry.ts";
import { catalogueSchema } from "./price-schema.ts";
import { readPrices, unpricedProblems } from "./prices.ts";
import { type Problem, problemsOf } from "./problem.ts";
import { type Config, configSchema } from "./schema.ts";

/** A configuration that cannot be used; the message names file, line, column and what to write instead. */
export class ConfigError extends Error {
  override name = "ConfigError";
}

/** A configuration and the folder that its relative paths start from. */
export interface LoadedConfig {
  config: Config;
  folder: string;
}

/** Reads and checks a configuration file; throws `ConfigError` with one line for each problem. */
export function loadConfig(path: string): LoadedConfig {
  const folder = dirname(resolve(path));
  return { config: parseConfig(readText(path), { path, folder }), folder };
}

/**
 * The folder that the ledger and the keys are kept in, from a file of which nothing else has to be
 * right: keys and limits can be managed before the models are there. Throws `ConfigError` when the
 * file can't be parsed.
 */
export function loadStateFolder(path: string): string {
  const parsed = parseYaml(readText(path), path);
  return stateFolder(check(parsed, z.object({ state: configSchema.shape.state }), path), path);
}

/** The folder that the ledger and the keys are kept in. */
export function stateFolder(config: Pick<Config, "state">, configPath: string): string {
  return resolve(dirname(resolve(configPath)), config.state);
}

/** `path` is used in messages only; with a folder, the files that the configuration names have to be there. */
export function parseConfig(text: string, { path, folder }: { path: string; folder?: string }): Config {
  const parsed = parseYaml(text, path);
  const settings = check(parsed, configSchema, path);
  const { price_catalogue: catalogue } = settings;
  const listed =
    catalogue === undefined || folder === undefined ? {} : loadCatalogue(resolve(folder, catalogue));
  const { prices, problems } = readPrices(settings.prices, folder ?? "");
  const config = { ...settings, prices: { ...listed, ...prices } };
  problems.push(...missingFiles(config, folder));
  // A catalogue that can't be looked for may have them.
  if (catalogue === undefined || folder !== undefined) problems.push(...unpricedProblems(config));
  if (problems.length > 0) throw problemsIn(parsed, problems, path);
  return config;
}

/** Reads and checks a file of prices, such as `headgate prices import` writes; throws `ConfigError`. */
export function loadCatalogue(path: string): Prices {
  const parsed = parseYaml(readText(path), path);
  const { prices, problems } = readPrices(check(parsed, catalogueSchema, path).prices, dirname(path));
  if (problems.length > 0) throw problemsIn(parsed, problems, path);
  return prices;
}

/** Where in a text the setting stands, or the closest thing around it that is there: `path:line:column`. */
export function placeOfSetting(text: string, { path, keys }: { path: string; keys: PropertyKey[] }): string {
  const { line, col } = placeOf(parseYaml(text, path), keys);
  return `${path}:${line}:${col}`;
}

/** A file that holds a part of a configuration; throws `ConfigError` when it can't be parsed. */
export function readPart(path: string): { text: string; document: unknown } {
  const text = readText(path);
  return { text, document: parseYaml(text, path).document.toJS() };
}

/** A file as YAML, and where its lines are. */
interface ParsedYaml {
  document: Document;
  lines: LineCounter;
}

function parseYaml(text: string, path: string): ParsedYaml {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [broken] = document.errors;
  if (broken === undefined) return { document, lines };
  const { line, col } = lines.linePos(broken.pos[0]);
  // It says once more where that is, and shows the place.
  const words = broken.message.replace(/ at line \d+, column \d+:[^]*$/, "");
  throw new ConfigError(`${path}:${line}:${col}: ${words}`);
}

function check<T>(parsed: ParsedYaml, schema: z.ZodType<T>, path: string): T {
  const result = schema.safeParse(parsed.document.toJS() ?? {});
  if (result.success) return result.data;
  throw problemsIn(parsed, problemsOf(result.error.issues), path);
}

function problemsIn(
  { document, lines }: ParsedYaml,
  problems: readonly Problem[],
  path: string,
): ConfigError {
  return new ConfigError(
    problems
      .map(({ keys, message }) => {
        const { line, col } = placeOf({ document, lines }, keys);
        return `${path}:${line}:${col}: ${keys.join(".")}: ${message}`;
      })
      .join("\n"),
  );
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new ConfigError(`${path}: cannot be read (${(error as Error).message})`, { cause: error });
  }
}

/** Whether a model is to be fetched from a hub, and not read from a file. */
export function isHubAddress(path: string): boolean {
  return /^(?:hf|huggingface|https?):/.test(path);
}

function missingFiles({ models }: Pick<Config, "models">, folder: string | undefined): Problem[] {
  if (folder === undefined) return [];
  return Object.entries(models)
    .filter(([, { path }]) => !isHubAddress(path) && !existsSync(resolve(folder, path)))
    .map(([name, { path }]) => ({ keys: ["models", name, "path"], message: `there is no file ${path}` }));
}

/** Where the setting stands, or the closest thing around it that is in the file. */
function placeOf(
  { document, lines }: ParsedYaml,
  keys: readonly PropertyKey[],
): { line: number; col: number } {
  for (let length = keys.length; length > 0; length--) {
    const parent = document.getIn(keys.slice(0, length - 1), true);
    const last = keys[length - 1];
    const found = isMap(parent)
      ? parent.items.find((pair) => isPair(pair) && String(pair.key) === last)?.key
      : document.getIn(keys.slice(0, length), true);
    const range = (found as Node | undefined)?.range;
    if (range) return lines.linePos(range[0]);
  }
  return { line: 1, col: 1 };
}
