/**
 * The JSON object in `text` with `fields` added to its member `name`, and everything else as it was
 * written, to the byte: numbers of any size, order, white space. Where the member is missing or no
 * object, it becomes `fallback` with the fields.
 *
 * `text` has to be a JSON object.
 */
export function addToMember(
  text: string,
  { name, fields, fallback }: { name: string; fields: object; fallback: object },
): string {
  const member = findMember(text, name);
  const isObject = member !== null && text[member.start] === "{";
  if (isObject) return insert(text, member.end - 1, { fields, isFirst: isEmpty(text, member) });
  const whole = JSON.stringify({ ...fallback, ...fields });
  if (member !== null) return text.slice(0, member.start) + whole + text.slice(member.end);
  const end = text.lastIndexOf("}");
  const isFirst = isEmpty(text, { start: text.indexOf("{"), end: end + 1 });
  return `${text.slice(0, end)}${isFirst ? "" : ","}${JSON.stringify(name)}:${whole}${text.slice(end)}`;
}

interface Span {
  start: number;
  /** Behind the last character. */
  end: number;
}

function insert(text: string, at: number, { fields, isFirst }: { fields: object; isFirst: boolean }): string {
  const members = JSON.stringify(fields).slice(1, -1);
  return `${text.slice(0, at)}${isFirst ? "" : ","}${members}${text.slice(at)}`;
}

function isEmpty(text: string, { start, end }: Span): boolean {
  return text.slice(start + 1, end - 1).trim() === "";
}

/** The value of the outermost object's last member of that name. */
function findMember(text: string, name: string): Span | null {
  let found: Span | null = null;
  let at = text.indexOf("{") + 1;
  while (at > 0) {
    const keyStart = text.indexOf('"', at);
    if (keyStart === -1) return found;
    const keyEnd = stringEnd(text, keyStart);
    const start = skipSpace(text, text.indexOf(":", keyEnd) + 1);
    const end = valueEnd(text, start);
    if (JSON.parse(text.slice(keyStart, keyEnd)) === name) found = { start, end };
    // Behind the comma, or 0 at the end of the object.
    at = text.indexOf(",", end) + 1;
  }
  return found;
}

function valueEnd(text: string, start: number): number {
  const first = text[start];
  if (first === '"') return stringEnd(text, start);
  if (first !== "{" && first !== "[") return scalarEnd(text, start);
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') at = stringEnd(text, at) - 1;
    else if (character === "{" || character === "[") depth += 1;
    else if (character === "}" || character === "]") {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return text.length;
}

function scalarEnd(text: string, start: number): number {
  let end = start;
  while (end < text.length && !/[\s,}]/.test(text[end]!)) end += 1;
  return end;
}

/** Behind the closing quote of the string that begins there. */
function stringEnd(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end === -1 ? text.length : end + 1;
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0;
  while (text[at - 1 - backslashes] === "\\") backslashes += 1;
  return backslashes % 2 === 1;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (/\s/.test(text[at] ?? "")) at += 1;
  return at;
}
