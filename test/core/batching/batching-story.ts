import { strict as assert } from "node:assert";
import { BATCHING } from "../../../src/core/batching/catalogue.ts";
import type { Batchable, Batcher } from "../../../src/core/batching/contracts.ts";
import { createPolicy, type Parameters } from "../../../src/core/policy.ts";
import type { Micros } from "../../../src/core/units.ts";
import { Command, parseDuration, showDuration } from "../transcript-command.ts";

const INDENT = "    ";

/**
 * Tells a story about a batching policy anew: inputs stay, and each is followed by what it decides.
 *
 * ```
 *   policy fixed size=3                  parameters by name
 *   at 5ms come 2 tokens=10 due=80ms     two requests wait from now on; due counts from now
 *   ask                                  the engine is free
 *   done 40ms                            the batch it took last is complete, and took that long
 * ```
 */
export function retellBatching(story: string): string {
  const teller = new BatchingTeller();
  const lines: string[] = [];
  for (const line of story.trimEnd().split("\n")) {
    if (line.startsWith(INDENT)) continue;
    lines.push(line);
    if (line === "" || line.startsWith("#")) continue;
    for (const told of teller.tell(line)) lines.push(INDENT + told);
  }
  return `${lines.join("\n")}\n`;
}

class BatchingTeller {
  #batcher: Batcher | null = null;
  #waiting: Batchable[] = [];
  #taken: Batchable[] = [];
  #takenUs: Micros = 0;
  #nowUs: Micros = 0;

  tell(line: string): string[] {
    const [, time, rest] = /^at (\S+) +(.+)$/.exec(line) ?? [];
    if (time !== undefined) this.#nowUs = parseDuration(time);
    const command = new Command(rest ?? line);
    const told = this.#act(command);
    command.end();
    return told;
  }

  #act(command: Command): string[] {
    switch (command.verb) {
      case "policy":
        this.#batcher = createPolicy(BATCHING, { name: command.subject, parameters: parameters(command) });
        return [];
      case "come":
        return this.#come(command);
      case "ask":
        return [this.#ask()];
      case "done":
        return this.#done(parseDuration(command.subject));
      default:
        throw new Error(`There is no "${command.verb}".`);
    }
  }

  #come(command: Command): string[] {
    const tokens = command.number("tokens") ?? 1;
    const dueUs = this.#nowUs + (command.duration("due") ?? Infinity);
    for (let i = 0; i < Number(command.subject); i++) {
      this.#waiting.push({ tokens, sinceUs: this.#nowUs, dueUs });
    }
    return [];
  }

  #ask(): string {
    assert(this.#batcher !== null && this.#waiting.length > 0, "Somebody has to wait.");
    const { late, take, againUs } = this.#batcher.next(this.#waiting, this.#nowUs);
    this.#waiting = this.#waiting.slice(late);
    const told = late > 0 ? [`${late} too late`] : [];
    if (take > 0) {
      this.#taken = this.#waiting.slice(0, take);
      this.#takenUs = this.#nowUs;
      this.#waiting = this.#waiting.slice(take);
      told.push(`take ${take}`);
    } else {
      told.push(againUs === Infinity ? "wait for another" : `wait until ${showDuration(againUs)}`);
    }
    return told.join(", ");
  }

  #done(durationUs: Micros): string[] {
    const [first] = this.#taken;
    assert(first !== undefined, "A batch has to be taken first.");
    const waitUs = this.#takenUs - first.sinceUs;
    this.#batcher?.observed?.({ size: this.#taken.length, waitUs, durationUs });
    this.#taken = [];
    return [];
  }
}

function parameters(command: Command): Parameters {
  const names = Object.keys(BATCHING[command.subject]?.parameters ?? {});
  const given = names.flatMap((name) => {
    const text = command.text(name);
    if (text === undefined) return [];
    return [[name, Number.isNaN(Number(text)) ? text : Number(text)] as const];
  });
  return Object.fromEntries(given);
}
