import type { Micros } from "../../src/core/units.ts";

const MICROS_PER_UNIT: Record<string, Micros> = {
  us: 1,
  ms: 1_000,
  s: 1_000_000,
  m: 60_000_000,
  h: 3_600_000_000,
};

/**
 * One input line of a transcript: a verb, most often somebody it is about, and named values or
 * bare flags, as in `request r1 max_tokens=8 streamed`. What nobody has asked for by the end is
 * a slip of the pen, and an error.
 */
export class Command {
  readonly verb: string;
  readonly subject: string;
  readonly #values = new Map<string, string>();

  constructor(line: string) {
    const [verb = "", ...words] = line.match(/\S+?="[^"]*"|\S+/g) ?? [];
    this.verb = verb;
    this.subject = words[0] !== undefined && !words[0].includes("=") ? words.shift()! : "";
    for (const word of words) {
      const [name = "", value = ""] = word.split(/=(.*)/s);
      this.#values.set(name, value.replace(/^"(.*)"$/s, "$1"));
    }
  }

  text(name: string): string | undefined {
    const value = this.#values.get(name);
    this.#values.delete(name);
    return value;
  }

  number(name: string): number | undefined {
    const value = this.text(name);
    return value === undefined ? undefined : Number(value);
  }

  duration(name: string): Micros | undefined {
    const value = this.text(name);
    return value === undefined ? undefined : parseDuration(value);
  }

  has(flag: string): boolean {
    return this.text(flag) !== undefined;
  }

  end(): void {
    const left = [...this.#values.keys()];
    if (left.length > 0) throw new Error(`"${this.verb}" knows no ${left.join(", ")}.`);
  }
}

/** Reads `250ms`, `1.5s`, `-6s` and the like. */
export function parseDuration(text: string): Micros {
  const [, count, unit = ""] = /^(-?[\d.]+)(us|ms|s|m|h)$/.exec(text) ?? [];
  const micros = Number(count) * (MICROS_PER_UNIT[unit] ?? NaN);
  if (!Number.isFinite(micros)) throw new Error(`"${text}" is no duration; write 250ms or 3s.`);
  return Math.round(micros);
}

export function showDuration(micros: Micros): string {
  for (const unit of ["s", "ms"]) {
    const count = micros / MICROS_PER_UNIT[unit]!;
    if (Number.isInteger(count)) return `${count}${unit}`;
  }
  return `${micros}us`;
}
