import { resolve } from "node:path";
import { MICROS_PER_SECOND } from "../core/units.ts";
import { readProfile } from "../simulator/calibration/profile-file.ts";
import type { EngineProfile } from "../simulator/engine-profiles/engine-profile.ts";
import { engineProfile } from "../simulator/engine-profiles/index.ts";

/** Requests as they usually are, in tokens. */
export interface UsualRequest {
  promptTokens: number;
  outputTokens: number;
}

/** What a worker does in a second, as decimals: rounded down, so that no token comes out too cheap. */
export interface Throughput {
  /** Of prompts, while it only reads. */
  prefillPerSecond: string;
  /** Of all answers together, while it only writes. */
  decodePerSecond: string;
  /** Answers that it writes side by side. */
  batch: number;
}

const DECIMALS = 3;

/** The engine profile of that name, or of the file if it ends in `.json`; throws with what is wrong. */
export function findProfile(name: string, folder: string): EngineProfile {
  return name.endsWith(".json") ? readProfile(resolve(folder, name)) : engineProfile(name);
}

/**
 * How fast an engine is when it always has enough to do: steps full of prompts, then batches as large as its slots and its
 * KV cache allow, in the middle of their answers. Throws where one request does not fit.
 */
export function throughputOf(profile: EngineProfile, usual: UsualRequest): Throughput {
  const { promptTokens, outputTokens } = usual;
  const { kvTokens, blockTokens, sequencesMax, contextTokens } = profile;
  const tokens = promptTokens + outputTokens;
  const kvPerSequence = Math.ceil(tokens / blockTokens) * blockTokens;
  const batch = Math.min(sequencesMax, Math.floor(kvTokens / kvPerSequence));
  if (batch === 0 || tokens > contextTokens) {
    const room = Math.min(kvTokens, contextTokens);
    throw new Error(`${profile.name} has room for ${room} tokens, and a usual request takes ${tokens}`);
  }
  return {
    prefillPerSecond: perSecond(prefillUsPerToken(profile, promptTokens)),
    decodePerSecond: perSecond(
      decodeStepUs(profile, { batch, contextTokens: promptTokens + outputTokens / 2 }) / batch,
    ),
    batch,
  };
}

/** As many whole prompts in a step as it takes, or one prompt in as many steps as that needs. */
function prefillUsPerToken(
  { prefillUs, batching, stepUsMin = 0 }: EngineProfile,
  promptTokens: number,
): number {
  const [base, perToken, perTokenSquared] = prefillUs;
  const prompts = Math.max(1, Math.floor(batching.tokensPerStepMax / promptTokens));
  const chunkMax =
    batching.kind === "mixed"
      ? Math.min(batching.tokensPerStepMax, batching.promptTokensPerStepMax ?? Infinity)
      : Infinity;
  const steps = Math.ceil(promptTokens / chunkMax);
  const us = steps * base + prompts * (perToken * promptTokens + perTokenSquared * promptTokens ** 2);
  return Math.max(us, steps * stepUsMin) / (prompts * promptTokens);
}

function decodeStepUs(
  { decodeUs, decodeLarge, stepUsMin = 0 }: EngineProfile,
  { batch, contextTokens }: { batch: number; contextTokens: number },
): number {
  const isLarge = decodeLarge !== undefined && batch >= decodeLarge.batchMin;
  const [base, perSequence, perContextToken] = isLarge ? decodeLarge.decodeUs : decodeUs;
  return Math.max(stepUsMin, base + perSequence * batch + perContextToken * batch * contextTokens);
}

function perSecond(usPerToken: number): string {
  if (usPerToken <= 0) throw new Error("by this profile a token takes no time");
  const scale = 10 ** DECIMALS;
  return String(Math.floor((MICROS_PER_SECOND / usPerToken) * scale) / scale);
}
