import type { z } from "zod";

/** What is wrong with a setting, and where it stands. */
export interface Problem {
  keys: PropertyKey[];
  message: string;
}

/** In our words: one for each setting that does not exist, where zod has one for all of them. */
export function problemsOf(issues: readonly z.core.$ZodIssue[]): Problem[] {
  return issues.flatMap((issue) => {
    // A name that can't be one says itself why.
    if (issue.code === "invalid_key")
      return issue.issues.map(({ message }) => ({ keys: issue.path, message }));
    if (issue.code !== "unrecognized_keys") return [{ keys: issue.path, message: issue.message }];
    return issue.keys.map((key) => ({ keys: [...issue.path, key], message: "there is no such setting" }));
  });
}
