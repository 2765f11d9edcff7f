/** Ids that stand for plain text in every demo model, and not for the marks of a chat. */
const FIRST_ID = 5;
const IDS = 1_000;
const PROMPT_TOKENS = 32;

/** A prompt that shares no beginning with the others: neither side can build on what it evaluated before. */
export function promptOf(number: number): number[] {
  return Array.from({ length: PROMPT_TOKENS }, (_, i) => FIRST_ID + ((number * 37 + i * 101) % IDS));
}

/** How both sides choose tokens. */
export const SAMPLING = { temperature: 0.7, seed: 1 };

/** What one side is asked to generate: lanes side by side, each so many answers one after the other. */
export interface Work {
  lanes: number;
  requestsEach: number;
  /** Of each answer. */
  tokens: number;
  /** Number of the first prompt. */
  firstPrompt: number;
}

/** Calls back for each answer of the work, as many at a time as there are lanes. */
export async function inLanes(
  { lanes, requestsEach, firstPrompt }: Work,
  answer: (lane: number, prompt: number[]) => Promise<void>,
): Promise<void> {
  const run = async (lane: number): Promise<void> => {
    for (let i = 0; i < requestsEach; i++) await answer(lane, promptOf(firstPrompt + i * lanes + lane));
  };
  await Promise.all(Array.from({ length: lanes }, (_, lane) => run(lane)));
}

/** What a process needs to load the same model in the same way. */
export interface Setup {
  name: string;
  path: string;
  slots: number;
  contextTokens: number;
  threads: number;
}
