import { catalogueSchema } from "../config/price-schema.ts";
import { type Problem, problemsOf } from "../config/problem.ts";
import { name as modelName } from "../config/scheduling-schema.ts";
import type { CataloguePrice } from "./catalogue-price.ts";
import { type LiteLlmEntry, LiteLlmReader } from "./litellm-rates.ts";

/** What is generated token by token. The file has much else. */
const MODES: ReadonlySet<unknown> = new Set(["chat", "completion", "responses", undefined]);

/** Keys of the file that are no models. */
const NO_MODELS: ReadonlySet<string> = new Set(["sample_spec", "fallback_generalizations"]);

export interface ImportOptions {
  /** Patterns of names in the file, with `*` for any text; every model if absent. */
  only: readonly string[];
  /** By a name of ours, the one in the file. Without any, models keep theirs. */
  map: ReadonlyMap<string, string>;
  /** From when the prices hold; always if absent. */
  from?: string;
}

export interface Imported {
  prices: Record<string, CataloguePrice>;
  /** What was not taken over as it is, and why: by the name in the file. */
  remarks: { model: string; isTaken: boolean; why: string }[];
}

/** Reads LiteLLM's price file (`model_prices_and_context_window.json`); throws where it is none, or lacks what is asked for. */
export function importLiteLlm(text: string, { only, map, from }: ImportOptions): Imported {
  const entries = parseFile(text);
  const imported: Imported = { prices: {}, remarks: [] };
  for (const [ours, theirs] of wanted(entries, { only, map })) {
    const { price, notes } = readEntry(entries[theirs]!, ours);
    for (const why of notes) imported.remarks.push({ model: theirs, isTaken: price !== null, why });
    if (price !== null) imported.prices[ours] = { ...(from === undefined ? {} : { from }), ...price };
  }
  return imported;
}

/** Pairs of our name and theirs. */
function wanted(
  entries: Readonly<Record<string, LiteLlmEntry>>,
  { only, map }: Pick<ImportOptions, "only" | "map">,
): [ours: string, theirs: string][] {
  for (const theirs of map.values()) {
    if (!Object.hasOwn(entries, theirs)) throw new Error(`The file has no model "${theirs}".`);
  }
  if (only.length === 0 && map.size > 0) return [...map];
  const patterns = only.map(patternOf);
  const isWanted = (name: string): boolean =>
    patterns.length === 0 || patterns.some((each) => each.test(name));
  const kept = Object.keys(entries)
    .filter(isWanted)
    .map((each): [string, string] => [each, each]);
  if (kept.length === 0) throw new Error(`It has no model like ${only.join(" or ")}.`);
  return [...kept, ...map];
}

function patternOf(glob: string): RegExp {
  const parts = glob.split("*").map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`);
}

/** Null, and why, for what is not priced by the token or could not be used. */
function readEntry(entry: LiteLlmEntry, ours: string): { price: CataloguePrice | null; notes: string[] } {
  const { mode } = entry;
  if (!MODES.has(mode)) return { price: null, notes: [`it is for ${String(mode)}`] };
  try {
    const reader = new LiteLlmReader(entry);
    const price = reader.price();
    if (price === null) return { price, notes: ["it has no price for tokens of prompt and answer"] };
    const [problem] = problemsWith(ours, price);
    if (problem?.keys[0] === "batch") {
      delete price.batch;
      reader.notes.push(`batch left out: ${problem.message}`);
    } else if (problem !== undefined) {
      return { price: null, notes: [[problem.keys.join("."), problem.message].filter(Boolean).join(": ")] };
    }
    const unread = reader.unread();
    const left = unread.length === 0 ? [] : [`without ${unread.join(", ")}`];
    return { price, notes: [...reader.notes, ...left] };
  } catch (error) {
    return { price: null, notes: [(error as Error).message] };
  }
}

/** By the same rules as a catalogue that is read; first of all the name. */
function problemsWith(ours: string, price: CataloguePrice): Problem[] {
  const named = modelName.safeParse(ours);
  if (!named.success) {
    const why = named.error.issues[0]!.message;
    return [{ keys: [], message: `its name can't be used, give it another with --map: ${why}` }];
  }
  const { error } = catalogueSchema.safeParse({ prices: { [ours]: price } });
  return problemsOf(error?.issues ?? []).map(({ keys, message }) => ({ keys: keys.slice(2), message }));
}

function parseFile(text: string): Record<string, LiteLlmEntry> {
  const file = parseExactly(text);
  if (!isRecord(file)) throw new Error("It is no JSON object of models.");
  const models = Object.entries(file).filter((each): each is [string, LiteLlmEntry] => {
    return !NO_MODELS.has(each[0]) && isRecord(each[1]);
  });
  if (models.length === 0) throw new Error("There are no models in it.");
  return Object.fromEntries(models);
}

/** JSON with numbers as the text that they are: as numbers, the last digits of `1.1e-7` would be others. */
function parseExactly(text: string): unknown {
  const parse = JSON.parse as (
    text: string,
    reviver: (key: string, value: unknown, context: { source?: string }) => unknown,
  ) => unknown;
  return parse(text, (_key, value, { source }) => (typeof value === "number" ? source : value));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
