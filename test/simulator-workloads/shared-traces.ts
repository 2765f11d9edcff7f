import { existsSync } from "node:fs";
import { join } from "node:path";

/**
 * Where public traces lie: in the folder that HEADGATE_SHARED names, or in `shared` beside the repository. They are not
 * part of it, so what needs them is skipped, saying so, where they are missing.
 */
export function sharedTrace(...path: string[]): { path: string; skip: string | false } {
  const folder = process.env["HEADGATE_SHARED"] ?? join(import.meta.dirname, "../../../shared");
  const file = join(folder, "traces", ...path);
  return { path: file, skip: existsSync(file) ? false : `${file} is not there` };
}
