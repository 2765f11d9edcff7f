/**
 * A hold is named after the packet and how many attempts it had seen: `r1/0:2` is what attempt
 * `r1/0#3` runs under, and those after it until one of them has used something.
 */

/** Attempts that one hold covers at most, as far as they are looked for: those before the last have used nothing. */
const ATTEMPTS_LOOKED_FOR = 4;

export function holdId(packet: string, attemptsBefore: number): string {
  return `${packet}:${attemptsBefore}`;
}

/** Attempts that may have run under the hold, in order. */
export function attemptsUnder(hold: string): string[] {
  const { packet, number } = parse(hold, ":");
  return Array.from({ length: ATTEMPTS_LOOKED_FOR }, (_, i) => `${packet}#${number + 1 + i}`);
}

/** The holds that may have covered an attempt, the latest first. */
export function holdsOver(attempt: string): string[] {
  const { packet, number } = parse(attempt, "#");
  const count = Math.min(ATTEMPTS_LOOKED_FOR, number);
  return Array.from({ length: count }, (_, i) => holdId(packet, number - 1 - i));
}

/** Whether the attempt was the first under the hold, so that nobody else's use can be meant. */
export function isFirstUnder(hold: string, attempt: string): boolean {
  return attempt === attemptsUnder(hold)[0];
}

function parse(id: string, separator: ":" | "#"): { packet: string; number: number } {
  const at = id.lastIndexOf(separator);
  return { packet: id.slice(0, at), number: Number(id.slice(at + 1)) };
}
