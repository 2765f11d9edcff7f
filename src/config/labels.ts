import { z } from "zod";

/** Of one worker, remote or request. */
export const LABELS_MAX = 32;
/** Of one label. */
const VALUES_MAX = 16;

/** Names and values alike: they become parts of metrics, headers and messages. */
const WORD = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/;
const WORD_RULE = "at most 63 letters, digits and . _ / -, the first a letter or digit";
export const LABEL_RULE = `names and values have ${WORD_RULE}`;

const word = z.string().regex(WORD, `use ${WORD_RULE}`);
const values = z
  .union([z.string(), z.number(), z.array(z.string())], "give a text, a number, or a list of texts")
  .transform((given) =>
    (Array.isArray(given) ? given : String(given).split(",")).map((value) => value.trim()),
  )
  .refine((list) => list.length > 0 && list.length <= VALUES_MAX, `give 1 to ${VALUES_MAX} values`)
  .refine((list) => list.every((value) => WORD.test(value)), `use ${WORD_RULE}`)
  .transform((list) => list.join(","));

/**
 * What a worker or remote is, by name: `{region: eu, capability: [tools, vision]}`. Several values of one label become
 * one text with commas in between.
 */
export const labelsSchema = z
  .record(word, values)
  .refine((labels) => Object.keys(labels).length <= LABELS_MAX, `give at most ${LABELS_MAX} labels`);

/** Labels as a header has them, `region=eu, capability=tools, capability=vision`; null when they can't be read. */
export function parseLabels(text: string): Record<string, string> | null {
  const pairs = text.split(",").map((pair) => pair.split("=").map((side) => side.trim()));
  if (pairs.length > LABELS_MAX * VALUES_MAX || pairs.some(({ length }) => length !== 2)) return null;
  const lists: Record<string, string[]> = {};
  for (const [name, value] of pairs as [string, string][]) {
    if (!WORD.test(name)) return null;
    (Object.hasOwn(lists, name) ? lists[name]! : (lists[name] = [])).push(value);
  }
  return labelsSchema.safeParse(lists).data ?? null;
}
