import { readFileSync, writeFileSync } from "node:fs";
import { z } from "zod";
import type { EngineProfile } from "../engine-profiles/engine-profile.ts";

/** Engine profiles as files: what `headgate calibrate` writes and `--fleet` reads. */

const coefficient = z.number().min(0);
const count = z.int().min(1);

const threeCoefficients = z.tuple([coefficient, coefficient, coefficient]);

const profileSchema = z.strictObject({
  name: z.string().min(1),
  source: z.string(),
  prefillUs: threeCoefficients,
  decodeUs: threeCoefficients,
  decodeLarge: z.strictObject({ batchMin: count, decodeUs: threeCoefficients }).exactOptional(),
  stepUsMin: coefficient.exactOptional(),
  queueUs: z.tuple([coefficient, coefficient]).exactOptional(),
  outputUs: coefficient.exactOptional(),
  kvTokens: count,
  blockTokens: count,
  sequencesMax: count,
  contextTokens: count,
  batching: z.discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("mixed"),
      tokensPerStepMax: count,
      promptTokensPerStepMax: count.exactOptional(),
      lastTokenApart: z.boolean().exactOptional(),
      firstTokensTogether: z.boolean().exactOptional(),
    }),
    z.strictObject({ kind: z.literal("alternating"), tokensPerStepMax: count, decodeStepsBetween: count }),
  ]),
  admission: z.enum(["prompt", "peak"]).exactOptional(),
  prefixCache: z.boolean(),
  startUs: z.number().min(0),
  bytesPerKvToken: z.number().min(0),
}) satisfies z.ZodType<EngineProfile>;

/** Throws with the file's name and the field that is wrong. */
export function readProfile(path: string): EngineProfile {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new Error(`${path}: cannot be read as a profile (${(error as Error).message})`, { cause: error });
  }
  const result = profileSchema.safeParse(content);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  throw new Error(`${path}: ${issue.path.join(".") || "the profile"}: ${issue.message}`);
}

export function writeProfile(path: string, profile: EngineProfile): void {
  writeFileSync(path, `${JSON.stringify(profileSchema.parse(profile), null, 2)}\n`);
}
