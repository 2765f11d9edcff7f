import { ANY_MODEL } from "../core/vocabulary.ts";
import type { Inspection } from "../core/inspection.ts";

export interface ModelNamesOptions {
  /** Names of configured models. */
  models: string[];
  /** Other names for them, such as `default`. */
  aliases: Record<string, string>;
  /** Models that remote APIs serve. */
  remoteModels: string[];
}

/** What is known of model names outside the core: enough to validate, to list and to label. */
export class ModelNames {
  readonly #aliases: Record<string, string>;
  readonly #remote: Set<string>;
  readonly #known: Set<string>;

  constructor(options: ModelNamesOptions) {
    this.#aliases = options.aliases;
    this.#remote = new Set(options.remoteModels);
    this.#known = new Set([...options.models, ...options.remoteModels, ...Object.keys(options.aliases)]);
  }

  /** Whether requests for it may go to a remote API, which understands more parameters than our workers. */
  isRemote(name: string): boolean {
    return this.#remote.has(this.#target(name));
  }

  /** A worker reported this model. */
  learn(name: string): void {
    this.#known.add(name);
  }

  /** The name as a metric label: what clients invent shares one label. */
  label(name: string): string {
    return this.#known.has(name) ? name : "unknown";
  }

  /** Names a client can use at this moment, sorted, aliases included. */
  served(inspection: Inspection): string[] {
    const served = new Set(inspection.workers.flatMap((worker) => worker.models.map(({ model }) => model)));
    served.delete(ANY_MODEL);
    for (const alias in this.#aliases) {
      if (served.has(this.#target(alias))) served.add(alias);
    }
    return [...served].sort();
  }

  #target(name: string): string {
    return Object.hasOwn(this.#aliases, name) ? (this.#aliases[name] ?? name) : name;
  }
}
