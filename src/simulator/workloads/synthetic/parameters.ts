import { WorkloadProblem } from "../problem.ts";
import { type Draw, fixed, histogram, lognormal } from "./draws.ts";

/** `key=value` pairs of a part of a description, each read once. */
export class Parameters {
  readonly #where: string;
  readonly #values = new Map<string, string>();
  readonly #asked = new Set<string>();

  /** `where` begins the messages. */
  constructor(where: string, text: string) {
    this.#where = where;
    for (const pair of text.split(",")) {
      if (pair.trim() === "") continue;
      const [, key, value] = /^\s*([a-z-]+)\s*=\s*(\S+)\s*$/.exec(pair) ?? [];
      if (key === undefined) throw this.#problem(`"${pair.trim()}" is not like name=value`);
      if (this.#values.has(key)) throw this.#problem(`${key} is there twice`);
      this.#values.set(key, value!);
    }
  }

  /** A number within [min, max]. Without a usual value it has to be given. */
  number(key: string, range: { usual?: number; min: number; max: number; isWhole?: boolean }): number {
    const { usual, min, max, isWhole = false } = range;
    const text = this.#take(key);
    if (text === null && usual !== undefined) return usual;
    const value = Number(text ?? "x");
    if (value >= min && value <= max && (!isWhole || Number.isInteger(value))) return value;
    const kind = isWhole ? "a whole number" : "a number";
    throw this.#problem(
      `${key} must be ${kind} from ${min} to ${max}${text === null ? "" : `, not "${text}"`}`,
    );
  }

  text(key: string): string | null {
    return this.#take(key);
  }

  /**
   * A length or a time: `512`; `512~1.5`, lognormal with that mean and coefficient of variation; or a histogram of values
   * with weights, `64@0.7|4096@0.3`.
   */
  draw(key: string, usual: number, max: number): Draw {
    const text = this.#take(key) ?? String(usual);
    const amount = (part: string | undefined, least = 0): number => {
      const value = Number(part === "" ? "x" : part);
      if (value >= least && value <= max) return value;
      throw this.#problem(
        `${key} must be like 512, 512~1.5 or 64@0.7|4096@0.3, up to ${max}, and not "${text}"`,
      );
    };
    if (text.includes("@")) {
      const bins = text.split("|").map((bin): [number, number] => {
        const [value, weight, ...more] = bin.split("@");
        return [amount(more.length === 0 ? value : ""), amount(weight, Number.MIN_VALUE)];
      });
      return histogram(bins);
    }
    const [mean, variation, ...more] = text.split("~");
    if (variation === undefined) return fixed(amount(mean));
    const law = lognormal(amount(more.length === 0 ? mean : "", Number.MIN_VALUE), amount(variation));
    return (random) => Math.min(max, law(random));
  }

  /** Throws when something is there that nobody asked for. */
  end(): void {
    const unknown = [...this.#values.keys()].find((key) => !this.#asked.has(key));
    if (unknown === undefined) return;
    throw this.#problem(`has no "${unknown}", but ${[...this.#asked].sort().join(", ")}`);
  }

  #take(key: string): string | null {
    this.#asked.add(key);
    return this.#values.get(key) ?? null;
  }

  #problem(message: string): WorkloadProblem {
    return new WorkloadProblem(`${this.#where}: ${message}`);
  }
}
