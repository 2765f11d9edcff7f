import { SECTIONS } from "./scheduling-schema.ts";

type Document = Readonly<Record<string, unknown>>;

/** A setting that has another value than before; undefined where there is none. */
export interface SettingChange {
  /** Such as `queue.fairness`. */
  setting: string;
  before: unknown;
  after: unknown;
}

/**
 * The document with a part of it replaced. Sections and the groups and maps in them (`prefix`, `profiles`, `tenants`, …)
 * keep what the patch does not name; everything else, such as a policy with its parameters, is replaced as a whole.
 * Null takes a setting out, which leaves its default.
 *
 * ```
 *   { queue: { fairness: "vtc", tenants: { a: …, b: … } } }
 * + { queue: { fairness: "drr", tenants: { b: null } } }
 * = { queue: { fairness: "drr", tenants: { a: … } } }
 * ```
 */
export function patched(document: unknown, patch: unknown, depth = 0): unknown {
  if (!isGroup(document) || !isGroup(patch) || depth > 2) return patch;
  const merged: Record<string, unknown> = { ...document };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = patched(Object.hasOwn(document, key) ? document[key] : undefined, value, depth + 1);
  }
  return merged;
}

/** Every setting in which two documents of the four sections differ. */
export function changesBetween(before: Document, after: Document): SettingChange[] {
  return SECTIONS.flatMap((section) => differences(section, before[section], after[section]));
}

function differences(setting: string, before: unknown, after: unknown): SettingChange[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  if (!isGroup(before) || !isGroup(after)) return [{ setting, before, after }];
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].flatMap((key) => differences(`${setting}.${key}`, before[key], after[key]));
}

/** What holds settings, and is not one: a policy with parameters has a `name`. */
function isGroup(value: unknown): value is Document {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return typeof (value as Document)["name"] !== "string";
}
