/**
 * Pieces of grammars for JSON, in llama.cpp's notation (GBNF).
 *
 * Between tokens there is one space at most, and numbers have a bounded number of digits: a model
 * that could write white space or digits without end sometimes does, until its limit.
 */

/** The rules that every grammar has; each can be named in others. */
const JSON_RULES: Readonly<Record<string, string>> = {
  value: `object | array | string | number | boolean | null`,
  object: `"{" (member more-members*)? "}"`,
  "more-members": `comma member`,
  member: `string colon value`,
  array: `"[" (value more-values*)? "]"`,
  "more-values": `comma value`,
  string: `"\\"" char* "\\""`,
  // A surrogate alone is no character, and in pairs two would count as one.
  char: `[^"\\\\\\x00-\\x1F\\x7F] | "\\\\" (["\\\\/bfnrt] | "u" (hex-not-d hex{3} | [dD] [0-7] hex{2}))`,
  hex: `[0-9a-fA-F]`,
  "hex-not-d": `[0-9a-cA-CeEfF]`,
  number: `integer ("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?`,
  integer: `"-"? ("0" | [1-9] [0-9]{0,14})`,
  boolean: `"true" | "false"`,
  null: `"null"`,
  comma: `"," " "?`,
  colon: `":" " "?`,
};

/** Any JSON object. */
export const JSON_OBJECT_GRAMMAR = grammarText("object", new Map());

/** A whole grammar, whose answers are what `root` stands for. */
export function grammarText(root: string, rules: ReadonlyMap<string, string>): string {
  const all = [["root", root], ...Object.entries(JSON_RULES), ...rules];
  return all.map(([name, body]) => `${name} ::= ${body}`).join("\n");
}

/** Text that has to stand there as it is. */
export function literal(text: string): string {
  const escaped = text.replace(/["\\]/g, String.raw`\$&`);
  return `"${escaped}"`;
}
