import { escape } from "./escape.ts";
import { STYLE } from "./style.ts";

/** Where a report comes from: enough to have it again. */
export interface Provenance {
  /** The command line that makes it. */
  command: string;
  /** Of the source that ran; `unknown` outside of a clone. */
  commit: string;
  node: string;
}

/** One complete document that needs nothing else: no script, no font, no image from anywhere. */
export function pageHtml(page: { title: string; lead: string; body: readonly string[] }): string {
  const { title, lead, body } = page;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escape(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<header><h1>${escape(title)}</h1><p>${escape(lead)}</p></header>
<main>
${body.filter((part) => part !== "").join("\n")}
</main>
</body>
</html>
`;
}

/** Headline figures: a name, the figure, and what is said below it. */
export function tilesHtml(
  tiles: readonly (readonly [name: string, figure: string, below?: string])[],
): string {
  const items = tiles.map(([name, figure, below]) => {
    const small = below === undefined ? "" : `<small>${escape(below)}</small>`;
    return `<div><dt>${escape(name)}</dt><dd>${escape(figure)}${small}</dd></div>`;
  });
  return `<dl class="tiles">${items.join("")}</dl>`;
}

export function sectionHtml(title: string, ...parts: readonly string[]): string {
  return `<section><h2>${escape(title)}</h2>${parts.join("\n")}</section>`;
}

export function noteHtml(text: string): string {
  return `<p class="note">${escape(text)}</p>`;
}

/** What has to be known of all that follows. */
export function noticeHtml(text: string): string {
  return `<p class="alarm" role="status">${escape(text)}</p>`;
}

/** The same of what is wrong, one by one. */
export function alarmHtml(text: string, items: readonly string[]): string {
  const list = items.map((item) => `<li>${escape(item)}</li>`).join("");
  return `<div class="alarm" role="alert"><strong>${escape(text)}</strong><ul>${list}</ul></div>`;
}

/** A verdict. */
export interface Cell {
  text: string;
  kind: "better" | "worse";
}

/** The first column names the row. */
export function tableHtml(header: readonly string[], rows: readonly (readonly (string | Cell)[])[]): string {
  const head = header.map((name) => `<th scope="col">${escape(name)}</th>`).join("");
  const body = rows.map((cells) => `<tr>${cells.map(cellHtml).join("")}</tr>`).join("");
  return `<div class="scroll" tabindex="0"><table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
}

function cellHtml(cell: string | Cell, column: number): string {
  const { text, kind } = typeof cell === "string" ? { text: cell, kind: null } : cell;
  if (column === 0) return `<th scope="row">${escape(text)}</th>`;
  return `<td${kind === null ? "" : ` class="${kind}"`}>${escape(text)}</td>`;
}

export function factsHtml(facts: readonly (readonly [name: string, value: string])[]): string {
  const items = facts.map(([name, value]) => `<dt>${escape(name)}</dt><dd>${escape(value)}</dd>`);
  return `<dl class="facts">${items.join("")}</dl>`;
}

export function provenanceHtml(
  { command, commit, node }: Provenance,
  facts: readonly (readonly [name: string, value: string])[],
): string {
  return sectionHtml(
    "To have it again",
    `<pre tabindex="0">${escape(command)}</pre>`,
    factsHtml([...facts, ["commit", commit], ["node", node]]),
  );
}
