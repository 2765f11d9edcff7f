import type { Outcome } from "../client.ts";
import type { OpenTeam, Stage, Wish } from "../stage.ts";

/** The one key of teams that have one. */
export const KEY = "key";

/** Room for so many requests of that form at their worst, and for half of one more. */
export function roomFor(stage: Stage, requests: number, wish: Wish & { maxTokens: number }): number {
  return Math.floor(stage.worstCostOf(wish) * (requests + 0.5));
}

/** All at once; each in a form of its own. */
export function atOnce(
  stage: Stage,
  team: OpenTeam,
  requests: number,
  wishOf: (i: number) => Wish & { key?: string },
): Promise<Outcome[]> {
  return inLine(stage, team, { requests, atATime: requests }, wishOf);
}

/** So many at a time, the next whenever one has ended. */
export async function inLine(
  stage: Stage,
  team: OpenTeam,
  { requests, atATime }: { requests: number; atATime: number },
  wishOf: (i: number) => Wish & { key?: string },
): Promise<Outcome[]> {
  // Drawn before the first is sent: in which order they end has no say in what is asked.
  const wishes = Array.from({ length: requests }, (_, i) => wishOf(i));
  const outcomes: Outcome[] = [];
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < requests) {
      const { key = KEY, ...wish } = wishes[next++]!;
      outcomes.push(await stage.ask(team, key, wish));
    }
  };
  await Promise.all(Array.from({ length: atATime }, client));
  return outcomes;
}

/** Streamed or not, and with or without a wish for usage, as it falls. */
export function anyForm({ random }: Stage): Pick<Wish, "streamed" | "includeUsage"> {
  return { streamed: random.chance(0.5), includeUsage: random.chance(0.5) };
}
