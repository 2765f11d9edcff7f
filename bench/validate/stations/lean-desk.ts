import type { Desk, Job } from "./job.ts";

/** First come first served within each class, classes in their order: as little as can be, for the longest runs. */
export class LeanDesk implements Desk {
  readonly #lines: Ring[];
  readonly #room: number;
  #free: number;
  #jobs = 0;

  constructor({ servers, kinds, room }: { servers: number; kinds: number; room: number }) {
    this.#free = servers;
    this.#room = room;
    this.#lines = Array.from({ length: kinds }, () => new Ring());
  }

  isFull(): boolean {
    return this.#jobs >= this.#room;
  }

  add(job: Job): void {
    this.#jobs++;
    this.#lines[job.kind]!.push(job);
  }

  next(): Job | null {
    if (this.#free === 0) return null;
    for (const line of this.#lines) {
      if (line.size === 0) continue;
      this.#free--;
      return line.shift();
    }
    return null;
  }

  done(): void {
    this.#jobs--;
    this.#free++;
  }
}

/** A queue in a circle that grows when it is full. */
export class Ring {
  #jobs: (Job | null)[] = Array.from({ length: 64 }, () => null);
  #first = 0;
  size = 0;

  push(job: Job): void {
    if (this.size === this.#jobs.length) {
      const before = this.#jobs;
      this.#jobs = Array.from(
        { length: 2 * this.size },
        (_, i) => before[(this.#first + i) % this.size] ?? null,
      );
      for (let i = this.size; i < this.#jobs.length; i++) this.#jobs[i] = null;
      this.#first = 0;
    }
    this.#jobs[(this.#first + this.size++) & (this.#jobs.length - 1)] = job;
  }

  get first(): Job | null {
    return this.size === 0 ? null : this.#jobs[this.#first]!;
  }

  /** Only where there is one. */
  shift(): Job {
    const job = this.#jobs[this.#first]!;
    this.#jobs[this.#first] = null;
    this.#first = (this.#first + 1) & (this.#jobs.length - 1);
    this.size--;
    return job;
  }
}
