import type { Verdict } from "../ledger/audit/verify.ts";
import { table } from "./table.ts";

/** What was checked, and what is wrong first, for people. */
export function describeVerdict(verdict: Verdict): string {
  return [table(["checked", "number", ""], checked(verdict)), "", conclusion(verdict)].join("\n");
}

function checked({ walk, segments, summary, tables }: Verdict): string[][] {
  const rows: [what: string, count: number | null, note: string][] = [];
  if (walk !== null) {
    const { links } = walk;
    rows.push(["links of the chain", sum(Object.values(links)), `through ${walk.head.position}`]);
    rows.push(["entries", walk.entries, `through ${walk.head.sequence}`]);
    rows.push(["signed checkpoints", links.checkpoint, `${walk.unsigned} links are not signed`]);
  }
  rows.push(["segments", segments, ""]);
  rows.push(["accounts", summary?.accounts ?? null, "what they used in total"]);
  rows.push(["windows", summary?.windows ?? null, "that limits count, total included"]);
  rows.push(["open holds", summary?.holds ?? null, ""]);
  rows.push(["rows of usage", summary?.usage ?? null, "by account, model and quarter of an hour"]);
  rows.push(["changes of limits", tables?.limits ?? null, "and what stands of them"]);
  rows.push(["keys", tables?.keys ?? null, ""]);
  rows.push(["rules of time zones", tables?.zones ?? null, ""]);
  return rows.filter(([, count]) => count !== null).map(([what, count, note]) => [what, String(count), note]);
}

function conclusion({ problem, walk }: Verdict): string {
  if (problem === null) {
    const { position, hash } = walk!.head;
    return `${signed(walk!)} The chain stands at ${position}: ${hash.toString("hex")}`;
  }
  const { check, position, message, expected, found } = problem;
  const place = position === null ? check : `${check}, at link ${position}`;
  const lines = [`WRONG (${place}): ${message}.`];
  if (expected !== null) lines.push(`  expected  ${expected}`);
  if (found !== null) lines.push(`  found     ${found}`);
  return lines.join("\n");
}

/** What is signed, and what is not. */
function signed({ head, signedThrough, unsigned }: NonNullable<Verdict["walk"]>): string {
  if (signedThrough === null) {
    return "All of it agrees with itself, but nothing here is signed: it proves nothing against whoever made it.";
  }
  if (unsigned === 0) return "All of it is as it was written, and signed.";
  const rest =
    unsigned === 1 ? `the last link, ${head.position}, agrees` : `the last ${unsigned} links agree`;
  return `Through link ${signedThrough}, it is as it was written, and signed; ${rest} with that, and can't be proven yet.`;
}

/** The same for programs. */
export function verdictAsJson({ problem, walk, ...counts }: Verdict): object {
  const isRight = problem === null;
  if (walk === null) return { ok: isRight, problem, ...counts };
  const { links, entries, unsigned, signedThrough, head } = walk;
  const through = { position: head.position, sequence: head.sequence, hash: head.hash.toString("hex") };
  return { ok: isRight, problem, links, entries, unsigned, signedThrough, through, ...counts };
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
