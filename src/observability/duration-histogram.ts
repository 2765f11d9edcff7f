/** From a quick stage to a request at its deadline, in seconds. */
const BOUNDS_SECONDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
];

/** What was counted so far, as plain data. */
export interface Durations {
  /** By the first bound that is not exceeded; those beyond all bounds last. */
  counts: number[];
  sumSeconds: number;
}

/** Times counted by how long they were. Several happen in each request, so they only count up here; the text is made when somebody asks. */
export class DurationHistogram {
  /** By the first bound that is not exceeded; those beyond all bounds last. */
  readonly #counts = new Float64Array(BOUNDS_SECONDS.length + 1);
  #sumSeconds = 0;

  observe(seconds: number): void {
    let bucket = 0;
    while (bucket < BOUNDS_SECONDS.length && seconds > BOUNDS_SECONDS[bucket]!) bucket++;
    this.#counts[bucket]! += 1;
    this.#sumSeconds += seconds;
  }

  /** Adds what was counted elsewhere. */
  add({ counts, sumSeconds }: Durations): void {
    for (const [bucket, count] of counts.entries()) this.#counts[bucket]! += count;
    this.#sumSeconds += sumSeconds;
  }

  toJSON(): Durations {
    return { counts: [...this.#counts], sumSeconds: this.#sumSeconds };
  }

  /** In the text format of Prometheus. `labels` is as it stands between braces there, such as `stage="queue"`. */
  lines(name: string, labels = ""): string[] {
    const more = labels === "" ? "" : `,${labels}`;
    const lines: string[] = [];
    let count = 0;
    for (const [bucket, bound] of [...BOUNDS_SECONDS, "+Inf"].entries()) {
      count += this.#counts[bucket]!;
      lines.push(`${name}_bucket{le="${bound}"${more}} ${count}`);
    }
    const braces = labels === "" ? "" : `{${labels}}`;
    lines.push(`${name}_sum${braces} ${this.#sumSeconds}`, `${name}_count${braces} ${count}`);
    return lines;
  }
}
