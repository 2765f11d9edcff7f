import { existsSync } from "node:fs";
import { join } from "node:path";

/** Where public data sets lie, which are not part of the repository: the folder that HEADGATE_SHARED names, or `shared` beside it. */
export function sharedData(...path: string[]): { path: string; exists: boolean } {
  const folder = process.env["HEADGATE_SHARED"] ?? join(import.meta.dirname, "../../../shared");
  const file = join(folder, ...path);
  return { path: file, exists: existsSync(file) };
}
