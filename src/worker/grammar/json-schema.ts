import { RequestError } from "../errors.ts";
import { grammarText, literal } from "./json-grammar.ts";
import type { NumberBounds } from "./number-range.ts";
import { numberRange } from "./number-range.ts";

/** A schema as text; a grammar is several times as long. */
const SCHEMA_LENGTH_MAX = 65_536;
/** Schemas within schemas. */
const NESTING_MAX = 64;
/** The engine takes no grammar that repeats a part more often. */
const REPEAT_MAX = 1_000;
/** All repetitions of a schema together: each is a rule, and rules are read while others wait. */
const REPEATS_MAX = 20_000;

/** These say nothing about what an answer may be. */
const ANNOTATIONS = new Set([
  "$schema",
  "$id",
  "$comment",
  "$defs",
  "definitions",
  "title",
  "description",
  "default",
  "examples",
  "deprecated",
  "readOnly",
  "writeOnly",
]);

/** What the grammar can see to, by the keyword that decides what kind of schema it is. */
const KEYWORDS: Readonly<Record<Kind, readonly string[]>> = {
  $ref: ["$ref"],
  anyOf: ["anyOf"],
  oneOf: ["oneOf"],
  allOf: ["allOf"],
  const: ["const", "type"],
  enum: ["enum", "type"],
  type: ["type"],
};

const NUMBER_BOUNDS = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] as const;
const NUMBER_KEYWORDS = [...NUMBER_BOUNDS, "multipleOf"];

const KEYWORDS_OF_TYPE: Readonly<Record<string, readonly string[]>> = {
  object: ["properties", "required", "additionalProperties"],
  array: ["items", "minItems", "maxItems"],
  string: ["minLength", "maxLength", "format"],
  number: NUMBER_KEYWORDS,
  integer: NUMBER_KEYWORDS,
  boolean: [],
  null: [],
};

const FORMATS: Readonly<Record<string, string>> = {
  date: `date`,
  time: `time`,
  "date-time": `date "T" time`,
  uuid: `hex{8} "-" hex{4} "-" [1-8] hex{3} "-" [89abAB] hex{3} "-" hex{12}`,
};

const FORMAT_RULES: ReadonlyMap<string, string> = new Map([
  // Without the 29th of February, which is a date in few years only.
  [
    "date",
    `[0-9]{4} "-" ("02-" ("0" [1-9] | "1" [0-9] | "2" [0-8]) | ("0" [469] | "11") "-" thirty | ("0" [13578] | "1" [02]) "-" (thirty | "31"))`,
  ],
  ["thirty", `"0" [1-9] | [12] [0-9] | "30"`],
  ["time", `hour ":" minute ":" minute ("." [0-9]{1,3})? ("Z" | [-+] hour ":" minute)`],
  ["hour", `[01] [0-9] | "2" [0-3]`],
  ["minute", `[0-5] [0-9]`],
]);

type Kind = "$ref" | "anyOf" | "oneOf" | "allOf" | "const" | "enum" | "type";
type Schema = Readonly<Record<string, unknown>>;

interface Bounds {
  min: number;
  max: number | null;
}

/**
 * A grammar whose answers all conform to a JSON schema, in llama.cpp's notation (GBNF).
 *
 * Not all that conforms can be answered: properties come in the schema's order, and others than
 * those named are written only where none is named. Of `oneOf` any one is written, without a
 * check that it fits no other. What a grammar can't see to, such as `pattern` or `uniqueItems`, is
 * refused rather than overlooked: throws a {@link RequestError} that names it.
 */
export function jsonSchemaGrammar(schema: unknown): string {
  if ((JSON.stringify(schema) ?? "").length > SCHEMA_LENGTH_MAX) {
    throw unusable("#", `is longer than ${SCHEMA_LENGTH_MAX} characters`);
  }
  return new SchemaGrammar(schema).text();
}

class SchemaGrammar {
  readonly #root: unknown;
  readonly #rules = new Map(FORMAT_RULES);
  /** Names of the rules for what `$ref` points to. */
  readonly #references = new Map<string, string>();
  /** And for numbers within bounds, which are long and often the same. */
  readonly #ranges = new Map<string, string>();
  #nesting = 0;
  #repeats = 0;

  constructor(root: unknown) {
    this.#root = root;
  }

  text(): string {
    return grammarText(this.#reference("#", "#"), this.#rules);
  }

  /** The name of a rule for a schema. `at` is where it stands, as a JSON pointer. */
  #rule(schema: unknown, at: string): string {
    if (this.#nesting >= NESTING_MAX) throw unusable(at, `is nested more than ${NESTING_MAX} deep`);
    this.#nesting++;
    const body = this.#body(schema, at);
    this.#nesting--;
    return this.#named(body);
  }

  #named(body: string): string {
    const name = `r${this.#rules.size}`;
    this.#rules.set(name, body);
    return name;
  }

  #body(schema: unknown, at: string): string {
    if (schema === true) return "value";
    if (!isSchema(schema)) throw unusable(at, schema === false ? "allows nothing" : "is no schema");
    const kind = kindOf(schema);
    const types = kind === "type" ? typesOf(schema, at) : [];
    refuseOthers({
      schema,
      at,
      known: [...KEYWORDS[kind], ...types.flatMap((type) => KEYWORDS_OF_TYPE[type]!)],
    });
    switch (kind) {
      case "$ref":
        return this.#reference(String(schema["$ref"]), at);
      case "anyOf":
      case "oneOf":
        return this.#any(schemas(schema, kind, at), `${at}/${kind}`);
      case "allOf":
        return this.#allOf(schemas(schema, kind, at), at);
      case "const":
        return enumeration([schema["const"]], schema, at);
      case "enum":
        return enumeration(schemas(schema, kind, at), schema, at);
      case "type":
        return types.map((type) => this.#ofType(type, schema, at)).join(" | ");
    }
  }

  #ofType(type: string, schema: Schema, at: string): string {
    if (type === "object") return this.#object(schema, at);
    if (type === "array") return this.#array(schema, at);
    if (type === "string") return stringBody(schema, at, this.#bounds(schema, at, "Length"));
    if (type === "integer" || type === "number") return this.#number(type, schema, at);
    return type;
  }

  #any(alternatives: readonly unknown[], at: string): string {
    return alternatives.map((schema, index) => this.#rule(schema, `${at}/${index}`)).join(" | ");
  }

  /** Some tools wrap a lone `$ref` in it. */
  #allOf(parts: readonly unknown[], at: string): string {
    if (parts.length !== 1) throw unusable(at, "has `allOf` of more than one schema, which is not supported");
    return this.#rule(parts[0], `${at}/allOf/0`);
  }

  #object(schema: Schema, at: string): string {
    const { properties = {}, required = [], additionalProperties } = schema;
    if (!isSchema(properties)) throw unusable(at, "has `properties` that are no object");
    if (!isStrings(required)) throw unusable(at, "has `required` that is no list of names");
    const names = Object.keys(properties);
    const missing = required.find((name) => !names.includes(name));
    if (missing !== undefined) throw unusable(at, `requires "${missing}", which is not among its properties`);
    if (names.length === 0) return this.#map(additionalProperties, at);
    return this.#record({ properties, required: new Set(required), at });
  }

  /** An object with any names. */
  #map(values: unknown, at: string): string {
    if (values === undefined || values === true) return "object";
    if (values === false) return literal("{}");
    const member = this.#named(`string colon ${this.#rule(values, `${at}/additionalProperties`)}`);
    const more = this.#named(`comma ${member}`);
    return `"{" (${member} ${more}*)? "}"`;
  }

  /**
   * An object with these properties in this order. Behind the first that is written each other
   * brings its comma; the first may be any up to the first one that is required.
   */
  #record(options: { properties: Schema; required: ReadonlySet<string>; at: string }): string {
    const { properties, required, at } = options;
    const members = Object.entries(properties).map(([name, schema]) => {
      const value = this.#rule(schema, `${at}/properties/${name}`);
      return { name, body: `${literal(JSON.stringify(name))} colon ${value}` };
    });
    const firsts: string[] = [];
    let rest = "";
    for (const { name, body } of members.toReversed()) {
      const first = `${body} ${rest}`;
      if (required.has(name)) firsts.length = 0;
      firsts.unshift(first);
      rest = this.#named(`${required.has(name) ? `comma ${body}` : `(comma ${body})?`} ${rest}`);
    }
    const members_ = `(${firsts.join(" | ")})${required.size === 0 ? "?" : ""}`;
    return `"{" ${members_} "}"`;
  }

  #array(schema: Schema, at: string): string {
    const { min, max } = this.#bounds(schema, at, "Items");
    const item = schema["items"] === undefined ? "value" : this.#rule(schema["items"], `${at}/items`);
    if (max === 0) return literal("[]");
    const more = this.#named(`comma ${item}`);
    const items = `${item} ${more}{${Math.max(min - 1, 0)},${max === null ? "" : max - 1}}`;
    return min === 0 ? `"[" (${items})? "]"` : `"[" ${items} "]"`;
  }

  /** Multiples of 1 are integers; others a grammar can't tell. */
  #number(type: "integer" | "number", schema: Schema, at: string): string {
    const multipleOf = finite(schema, "multipleOf", at);
    if (multipleOf !== undefined && multipleOf !== 1) {
      throw unusable(at, "has `multipleOf` that is not 1, which is not supported");
    }
    const kind = multipleOf === 1 ? "integer" : type;
    if (NUMBER_BOUNDS.every((keyword) => schema[keyword] === undefined)) return kind;
    const bounds: NumberBounds = Object.fromEntries(
      NUMBER_BOUNDS.map((keyword) => [keyword, finite(schema, keyword, at)]),
    );
    const key = `${kind} ${JSON.stringify(bounds)}`;
    const known = this.#ranges.get(key);
    if (known !== undefined) return known;
    const range = numberRange(kind, bounds);
    if (range === null) throw unusable(at, `has bounds that no ${kind} which can be written is within`);
    for (const [, most] of range.matchAll(/(\d+)\}/g)) this.#repeat(Number(most), at);
    const name = this.#named(range);
    this.#ranges.set(key, name);
    return name;
  }

  /** Of `minItems` and `maxItems`, or of `minLength` and `maxLength`. */
  #bounds(schema: Schema, at: string, what: "Items" | "Length"): Bounds {
    const min = count(schema, `min${what}`, at) ?? 0;
    const max = count(schema, `max${what}`, at);
    if (max !== null && max < min) throw unusable(at, `has \`max${what}\` below \`min${what}\``);
    this.#repeat(max ?? min, at);
    return { min, max };
  }

  #repeat(times: number, at: string): void {
    this.#repeats += times;
    if (this.#repeats <= REPEATS_MAX) return;
    throw unusable(at, `has one maximum too many: with all before they repeat over ${REPEATS_MAX} parts`);
  }

  /** The rule for what a pointer points to, which may be what is being made just now. */
  #reference(pointer: string, at: string): string {
    const known = this.#references.get(pointer);
    if (known !== undefined) return known;
    const name = `ref${this.#references.size}`;
    this.#references.set(pointer, name);
    this.#rules.set(name, this.#rule(this.#target(pointer, at), pointer));
    return name;
  }

  #target(pointer: string, at: string): unknown {
    const [start, ...steps] = pointer.split("/");
    if (start !== "#")
      throw unusable(at, `refers to "${pointer}"; only places in the same schema are supported`);
    let target = this.#root;
    for (const step of steps) {
      const key = step.replaceAll("~1", "/").replaceAll("~0", "~");
      const inside: unknown = Object(target);
      if (!Object.hasOwn(inside as object, key))
        throw unusable(at, `refers to "${pointer}", which is not there`);
      target = (inside as Schema)[key];
    }
    return target;
  }
}

function kindOf(schema: Schema): Kind {
  const kinds = Object.keys(KEYWORDS) as Kind[];
  return kinds.find((kind) => schema[kind] !== undefined) ?? "type";
}

function refuseOthers(options: { schema: Schema; at: string; known: readonly string[] }): void {
  const { schema, at, known } = options;
  for (const keyword of Object.keys(schema)) {
    if (ANNOTATIONS.has(keyword) || known.includes(keyword)) continue;
    throw unusable(at, `has \`${keyword}\`, which is not supported ${where(known)}`);
  }
}

function where(known: readonly string[]): string {
  return known.length === 0 ? "here" : `beside ${known.map((keyword) => `\`${keyword}\``).join(", ")}`;
}

/** Without a type: what its keywords speak of; without any, everything. */
function typesOf(schema: Schema, at: string): string[] {
  const { type } = schema;
  if (type === undefined) {
    const implied = Object.keys(KEYWORDS_OF_TYPE).filter((name) =>
      KEYWORDS_OF_TYPE[name]?.some((keyword) => schema[keyword] !== undefined),
    );
    if (implied.length === 0 && Object.keys(schema).every((keyword) => ANNOTATIONS.has(keyword))) {
      return Object.keys(KEYWORDS_OF_TYPE).filter((name) => name !== "integer");
    }
    // What is said of numbers is said of integers too.
    return implied.filter((name) => name !== "integer");
  }
  const types = typeof type === "string" ? [type] : type;
  if (!isStrings(types) || types.length === 0)
    throw unusable(at, "has a `type` that is no name and no list of names");
  const unknown = types.find((name) => !Object.hasOwn(KEYWORDS_OF_TYPE, name));
  if (unknown !== undefined) throw unusable(at, `has the \`type\` "${unknown}", which JSON does not have`);
  return [...types];
}

function schemas(schema: Schema, keyword: string, at: string): readonly unknown[] {
  const list = schema[keyword];
  if (Array.isArray(list) && list.length > 0) return list as unknown[];
  throw unusable(at, `has \`${keyword}\` that is no list of schemas`);
}

/** Those values that are of the type, where one is given too. */
function enumeration(values: readonly unknown[], schema: Schema, at: string): string {
  const types = schema["type"] === undefined ? null : typesOf(schema, at);
  const fitting = values.filter((value) => types === null || types.some((type) => isOfType(value, type)));
  if (fitting.length === 0) throw unusable(at, "allows no value of its `type`");
  return fitting.map((value) => literal(JSON.stringify(value))).join(" | ");
}

function isOfType(value: unknown, type: string): boolean {
  if (type === "integer") return Number.isInteger(value);
  if (type === "null") return value === null;
  if (type === "array") return Array.isArray(value);
  return type === "object" ? isSchema(value) : typeof value === type;
}

function stringBody(schema: Schema, at: string, { min, max }: Bounds): string {
  const { format } = schema;
  if (format === undefined) return min === 0 && max === null ? "string" : quoted(`char{${min},${max ?? ""}}`);
  if (typeof format !== "string" || !Object.hasOwn(FORMATS, format)) {
    const known = Object.keys(FORMATS).join(", ");
    throw unusable(at, `has the \`format\` ${JSON.stringify(format)}; supported are ${known}`);
  }
  if (min > 0 || max !== null) throw unusable(at, "has a length beside its `format`, which is not supported");
  return quoted(FORMATS[format]!);
}

function quoted(body: string): string {
  return `"\\"" ${body} "\\""`;
}

function count(schema: Schema, keyword: string, at: string): number | null {
  const value = schema[keyword];
  if (value === undefined) return null;
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= REPEAT_MAX) return value;
  throw unusable(at, `has \`${keyword}\` that is no whole number from 0 to ${REPEAT_MAX}`);
}

function finite(schema: Schema, keyword: string, at: string): number | undefined {
  const value = schema[keyword];
  if (value === undefined || (typeof value === "number" && Number.isFinite(value))) return value;
  throw unusable(at, `has \`${keyword}\` that is no number`);
}

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function unusable(at: string, why: string): RequestError {
  return new RequestError("invalid_request", `The JSON schema at ${at} ${why}.`, "grammar.json_schema");
}
