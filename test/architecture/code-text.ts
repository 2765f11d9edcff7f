/**
 * TypeScript source with everything that is not code blanked out: comments, and what strings,
 * templates and regular expressions say. Positions stay as they are, line breaks too.
 *
 * This is a scanner, not a parser: a slash begins a regular expression where no value can end
 * before it, as every JavaScript lexer has to guess.
 */
export function codeOnly(source: string): string {
  const code = source.split("");
  /** One entry for each template that is open: how many braces are open in its `${…}`. */
  const templates: number[] = [];
  let at = 0;

  const blank = (until: number): void => {
    for (; at < until; at++) if (code[at] !== "\n") code[at] = " ";
  };
  const blankTemplateText = (): void => {
    while (at < code.length && source[at] !== "`" && !source.startsWith("${", at)) {
      blank(at + (source[at] === "\\" ? 2 : 1));
    }
    if (source[at] === "`") templates.pop();
    at += source[at] === "`" ? 1 : 2;
  };

  while (at < code.length) {
    const here = source[at]!;
    if (source.startsWith("//", at)) blank(endOf(source, at, "\n"));
    else if (source.startsWith("/*", at)) blank(endOf(source, at + 2, "*/") + 2);
    else if (here === '"' || here === "'") {
      const end = closing(source, at);
      at++;
      blank(end);
      at++;
    } else if (here === "/" && mayBeginRegExp(code.slice(0, at).join("").trimEnd())) {
      const end = closing(source, at);
      at++;
      blank(end);
      at++;
    } else if (here === "`") {
      templates.push(0);
      at++;
      blankTemplateText();
    } else if (here === "}" && templates.at(-1) === 0) {
      at++;
      blankTemplateText();
    } else {
      if (templates.length > 0 && here === "{") templates[templates.length - 1]!++;
      if (templates.length > 0 && here === "}") templates[templates.length - 1]!--;
      at++;
    }
  }
  return code.join("");
}

function endOf(source: string, from: number, mark: string): number {
  const end = source.indexOf(mark, from);
  return end < 0 ? source.length : end;
}

/** Where the quote or slash at `start` is closed; in a regular expression, a class hides slashes. */
function closing(source: string, start: number): number {
  const mark = source[start];
  let isInClass = false;
  for (let at = start + 1; at < source.length; at++) {
    const here = source[at];
    if (here === "\n") return at;
    if (here === "\\") at++;
    else if (mark === "/" && here === "[") isInClass = true;
    else if (mark === "/" && here === "]") isInClass = false;
    else if (here === mark && !isInClass) return at;
  }
  return source.length;
}

function mayBeginRegExp(before: string): boolean {
  return /(?:^|[(,=:[!&|?{};+*%<>~^-]|\b(?:return|typeof|case|in|of))$/.test(before);
}
