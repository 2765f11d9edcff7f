import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve, sep } from "node:path";
import { codeOnly } from "./code-text.ts";

/** A place where the core, or the loop around it, reaches for the world. */
export interface Violation {
  /** Relative to the root of the repository. */
  file: string;
  line: number;
  what: string;
  why: string;
}

/** What code that only decides has no use for. `Math` itself may be used, but not its `random`. */
const FORBIDDEN: readonly { name: RegExp; why: string }[] = [
  { name: /\b(?:Date|performance|Temporal)\b/, why: "the time comes with the event" },
  {
    name: /\bMath\b(?!\s*\.\s*(?!random\b)\w)/,
    why: "there is no randomness here: a seed replays to the byte",
  },
  { name: /\bcrypto\b/, why: "there is no randomness here: ids come with the event" },
  { name: /\b(?:set|clear)(?:Timeout|Interval|Immediate)\b/, why: "timers are asked for by a `wake` effect" },
  {
    name: /\b(?:queueMicrotask|Promise|async|await)\b/,
    why: "nothing here waits: order must not depend on promises",
  },
  { name: /\b(?:process|Deno|Bun)\b/, why: "configuration comes to the constructor, as data" },
  { name: /\b(?:console|fetch|WebSocket|Worker(?=\s*\())\b/, why: "what has to happen outside is an effect" },
  { name: /\b(?:globalThis|global|eval|Function(?=\s*\())\b/, why: "a way around this very check" },
  {
    name: /\b(?:WeakRef|FinalizationRegistry|Atomics|SharedArrayBuffer)\b/,
    why: "it depends on when memory is cleared or written",
  },
  { name: /\b(?:Intl|localeCompare|toLocale\w+)\b/, why: "it depends on the machine's languages" },
  {
    name: /\bimport\s*\.\s*meta\b|\bimport\s*\(|\brequire\s*\(/,
    why: "imports are static, so that they can be read",
  },
];

const CORE = "src/core";
const LOOP = "src/supervisor/loop.ts";
const PORTS = "src/supervisor/ports.ts";

/** All violations of the purity of the core and of the loop, in the repository at `root`. */
export function findViolations(root: string): Violation[] {
  const core = sourcesIn(root, CORE);
  return [
    ...core.flatMap((file) => foreignImports(root, file, [CORE])),
    ...foreignImports(root, LOOP, [CORE, PORTS]),
    ...foreignImports(root, PORTS, [CORE]),
    ...[...core, LOOP, PORTS].flatMap((file) => forbiddenNames(root, file)),
  ];
}

/** What the compiler says of the core when it knows the language alone, and neither Node nor a browser. */
export function typeViolations(root: string): Violation[] {
  const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
  const options = ["--noEmit", "--pretty", "false", "--project", join(root, CORE)];
  const { stdout, status, error } = spawnSync(process.execPath, [tsc, ...options], {
    cwd: root,
    encoding: "utf8",
  });
  if (error !== undefined) throw error;
  const violations = Array.from(
    stdout.matchAll(/^(.+?)\((\d+),\d+\): error (.+)$/gm),
    ([, file = "", line, what = ""]): Violation => ({
      file: posix(relative(root, resolve(root, file))),
      line: Number(line),
      what,
      why: `${CORE} is compiled without the types of any platform`,
    }),
  );
  if (status !== 0 && violations.length === 0) throw new Error(`tsc failed: ${stdout}`);
  return violations;
}

/** One line for each, as compilers write them. */
export function report(violations: readonly Violation[]): string {
  return violations.map(({ file, line, what, why }) => `${file}:${line}: ${what}: ${why}`).join("\n");
}

function foreignImports(root: string, file: string, allowed: readonly string[]): Violation[] {
  const source = readFileSync(join(root, file), "utf8");
  const code = codeOnly(source);
  // Found in the code, read from the source: there, specifiers are not blanked.
  const specifiers = code.matchAll(/\b(?:from|import)\s*(["'])/g);
  return Array.from(specifiers, (match) => {
    const start = match.index + match[0].length;
    return { start, specifier: source.slice(start, source.indexOf(match[1]!, start)) };
  })
    .filter(({ specifier }) => !isAllowed(file, specifier, allowed))
    .map(({ start, specifier }) => ({
      file,
      line: lineOf(source, start),
      what: `import of "${specifier}"`,
      why: `only ${allowed.join(" and ")} may be imported here`,
    }));
}

function isAllowed(file: string, specifier: string, allowed: readonly string[]): boolean {
  if (!specifier.startsWith("./") && !specifier.startsWith("../")) return false;
  const target = posix(join(dirname(file), specifier));
  return allowed.some((place) => target === place || target.startsWith(`${place}/`));
}

function forbiddenNames(root: string, file: string): Violation[] {
  const source = readFileSync(join(root, file), "utf8");
  const code = codeOnly(source);
  return FORBIDDEN.flatMap(({ name, why }) =>
    Array.from(code.matchAll(new RegExp(name, "g")), (match) => {
      const line = lineOf(code, match.index);
      return { file, line, what: source.split("\n")[line - 1]!.trim(), why };
    }),
  );
}

function sourcesIn(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
    .map((name) => posix(join(folder, name)))
    .sort();
}

function lineOf(source: string, position: number): number {
  return source.slice(0, position).split("\n").length;
}

function posix(path: string): string {
  return path.split(sep).join("/");
}
