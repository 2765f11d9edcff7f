/** The name among those known that was probably meant; null where none is close. */
export function nearestName(given: string, known: Iterable<string>): string | null {
  // More than half of the letters wrong is no slip of the fingers any more.
  let nearest: { name: string; edits: number } = { name: "", edits: Math.floor(given.length / 2) + 1 };
  for (const name of known) {
    const edits = editsBetween(given.toLowerCase(), name.toLowerCase());
    if (edits < nearest.edits) nearest = { name, edits };
  }
  return nearest.name === "" ? null : nearest.name;
}

/** `there is no scorer "kv-ruoter"; did you mean kv-router? There are …`. */
export function unknownName(what: string, given: string, known: readonly string[]): string {
  const nearest = nearestName(given, known);
  const guess = nearest === null ? "" : `did you mean ${nearest}? `;
  return `there is no ${what} "${given}"; ${guess}choose among ${known.toSorted().join(", ")}`;
}

/** Letters put in, left out or replaced to make one text of the other: Levenshtein's distance, row by row. */
function editsBetween(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let i = 0; i < from.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j++) {
      const replaced = row[j]! + (from[i] === to[j] ? 0 : 1);
      next.push(Math.min(replaced, row[j + 1]! + 1, next[j]! + 1));
    }
    row = next;
  }
  return row[to.length]!;
}
