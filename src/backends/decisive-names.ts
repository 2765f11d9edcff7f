/** What decides how much a call can come to: what we have read of these is what the provider has to read. */
const NAMES = ["model", "n", "stream", "max_tokens", "max_completion_tokens"] as const;

/** How escapes of the letters in those names begin. */
const ESCAPED_LETTERS = ["\\u005", "\\u006", "\\u007"] as const;

const QUOTED = NAMES.map((name) => Buffer.from(`"${name}"`));

/**
 * Whether the client's own bytes may be passed on: of a name that stands there twice, or is written
 * with escapes, nobody knows which one the provider reads. Strings in messages may raise a false
 * alarm, which costs writing the document anew.
 */
export function isUnambiguous(body: Buffer): boolean {
  if (ESCAPED_LETTERS.some((escape) => body.includes(escape))) return false;
  return QUOTED.every((name) => {
    const first = body.indexOf(name);
    return first < 0 || body.indexOf(name, first + 1) < 0;
  });
}

/** A name that differs from one of these in case only, which some servers take for the same; null when there is none. */
export function lookAlike(document: Readonly<Record<string, unknown>>): string | null {
  const names: readonly string[] = NAMES;
  return (
    Object.keys(document).find((key) => !names.includes(key) && names.includes(key.toLowerCase())) ?? null
  );
}
