/**
 * What the upstream is to do with a request, written into the prompt, which every gateway passes on as it is:
 *
 * ```
 *   Count. [[torture id=burst-7 tokens=40 paceMs=2]]
 * ```
 */
export interface Script {
  /** Names the request in the books. */
  id: string;
  /** How long the answer would be if nothing cut it short. */
  tokens: number;
  /** Before the first byte. */
  firstMs: number;
  /** Between two chunks; 0 for all at once. */
  paceMs: number;
  /** Tokens in each chunk of a stream. */
  chunk: number;
  /** After so many tokens it waits until the caller hangs up, for at most `PAUSE_MS`; -1 for never. */
  pauseAt: number;
  /** So many first attempts fail, in the way of `how`. */
  fails: number;
  how: Failure;
  /** Tokens of the answer at which a failing attempt breaks. */
  breakAt: number;
  /** Billed beyond what was generated. */
  overbill: number;
  /** 0: no usage is ever sent, whatever was asked for. */
  usage: number;
}

/**
 * - `500`: answered with an error, and not billed;
 * - `hang_up`: the connection ends before a byte of the answer, and the prompt is billed;
 * - `break`: it ends after `breakAt` tokens, which are billed.
 */
export type Failure = "500" | "hang_up" | "break";

const DEFAULTS: Script = {
  id: "",
  tokens: 20,
  firstMs: 0,
  paceMs: 0,
  chunk: 1,
  pauseAt: -1,
  fails: 0,
  how: "500",
  breakAt: 0,
  overbill: 0,
  usage: 1,
};

/** For so long a paused answer waits; then it goes on to its end, as that of a provider who was never told. */
export const PAUSE_MS = 5_000;

/** The prompt that carries the script; `padding` words make it longer. */
export function writeScript(script: Partial<Script> & { id: string }, padding = 0): string {
  const fields = Object.entries(script).filter(
    ([name, value]) => value !== undefined && value !== DEFAULTS[name as keyof Script],
  );
  const words = fields.map(([name, value]) => `${name}=${value}`).join(" ");
  return `Count.${" a".repeat(padding)} [[torture ${words}]]`;
}

/** Null where a prompt carries none. */
export function readScript(prompt: string): Script | null {
  const [, words] = /\[\[torture ([^\]]*)\]\]/.exec(prompt) ?? [];
  if (words === undefined) return null;
  const given = Object.fromEntries(
    words.split(" ").map((word) => word.split("=", 2) as [keyof Script, string]),
  );
  const read: Record<string, unknown> = { ...DEFAULTS };
  for (const [name, value] of Object.entries(given)) {
    read[name] = typeof DEFAULTS[name as keyof Script] === "number" ? Number(value) : value;
  }
  return read as unknown as Script;
}
