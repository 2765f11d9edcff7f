import assert from "node:assert/strict";
import type { CoreConfig } from "../../src/core/config.ts";
import type { Effect } from "../../src/core/effects.ts";
import type { SupervisorEvent } from "../../src/core/events.ts";
import { Supervisor } from "../../src/core/supervisor.ts";
import type { Micros } from "../../src/core/units.ts";
import { coreConfig } from "./fixtures.ts";
import { Invariants } from "./invariants.ts";
import { Command, parseDuration, showDuration } from "./transcript-command.ts";
import { show, showInspection } from "./transcript-effects.ts";
import { addRemote, configure, EventReader } from "./transcript-events.ts";

const INDENT = "    ";

/**
 * Tells a transcript anew: inputs and comments stay as they are, and each input is followed by
 * what the core answers to it, indented. A transcript is right when it is told as it is written.
 *
 * ```
 *   # A comment.
 *   config queue=2s                  settings, before anything happens: see `configure`
 *   remote cloud slots=4             an endpoint that sends no heartbeats
 *   ledger manual                    holds become durable by `durable N` only, not at once
 *   show wakes, hide ledger          effects that are left out or in, as the subject needs
 *   at 5ms request r1 streamed       something happens, here at a time: see `EventReader`
 *       dispatch r1/0#1 to a/m …     an effect of it
 *   wait 30s                         time passes, and timers go off when they are due
 *       30s worker a stale: …        an effect of a timer, with the time of it
 *   inspect                          what `Supervisor.inspect` says
 * ```
 */
export function retell(transcript: string): string {
  const teller = new Teller();
  const lines: string[] = [];
  for (const [index, line] of transcript.trimEnd().split("\n").entries()) {
    if (line.startsWith(INDENT)) continue;
    lines.push(line);
    if (line === "" || line.startsWith("#")) continue;
    try {
      for (const told of teller.tell(line)) lines.push(INDENT + told);
    } catch (error) {
      throw new Error(`line ${index + 1}, "${line}": ${(error as Error).message}`, { cause: error });
    }
  }
  teller.end();
  return `${lines.join("\n")}\n`;
}

class Teller {
  readonly #config: CoreConfig = coreConfig();
  readonly #reader = new EventReader();
  readonly #hidden = new Set<Effect["kind"]>(["wake"]);
  readonly #invariants = new Invariants();
  #supervisor: Supervisor | null = null;
  #isLedgerManual = false;
  #nowUs: Micros = 0;
  #wakeUs: Micros = Infinity;

  tell(line: string): string[] {
    const [, time, rest] = /^at (\S+) +(.+)$/.exec(line) ?? [];
    const told = time === undefined ? [] : this.#passTime(parseDuration(time));
    const command = new Command(rest ?? line);
    told.push(...this.#act(command));
    command.end();
    return told;
  }

  /** Whatever the story was, the promises of `Invariants` were kept. */
  end(): void {
    this.#invariants.check(this.#start().inspect());
  }

  #act(command: Command): string[] {
    switch (command.verb) {
      case "config":
        return this.#set(() => configure(this.#config, command));
      case "remote":
        return this.#set(() => addRemote(this.#config, command));
      case "ledger":
        this.#isLedgerManual = command.subject === "manual";
        return [];
      case "show":
        this.#hidden.delete(kindOf(command.subject));
        return [];
      case "hide":
        this.#hidden.add(kindOf(command.subject));
        return [];
      case "wait":
        return this.#passTime(this.#nowUs + parseDuration(command.subject));
      case "timer":
        return this.#handle({ kind: "timer_fired" });
      case "inspect":
        return showInspection(this.#start().inspect());
      default:
        return this.#reader.read(command, this.#nowUs).flatMap((event) => this.#handle(event));
    }
  }

  #set(change: () => void): string[] {
    assert(this.#supervisor === null, "Settings come before the first event.");
    change();
    return [];
  }

  #start(): Supervisor {
    return (this.#supervisor ??= new Supervisor(this.#config));
  }

  #passTime(untilUs: Micros): string[] {
    assert(untilUs >= this.#nowUs, "Time does not go back.");
    const told: string[] = [];
    while (this.#wakeUs <= untilUs) {
      this.#nowUs = Math.max(this.#nowUs, this.#wakeUs);
      this.#wakeUs = Infinity;
      const time = showDuration(this.#nowUs);
      told.push(...this.#handle({ kind: "timer_fired" }).map((line) => `${time} ${line}`));
    }
    this.#nowUs = untilUs;
    return told;
  }

  #handle(event: SupervisorEvent): string[] {
    const told: string[] = [];
    const waiting = [event];
    for (const next of waiting) {
      const effects = this.#start().handle(this.#nowUs, next);
      this.#invariants.observe(next, effects);
      for (const effect of effects) {
        if (effect.kind === "wake") this.#wakeUs = effect.atUs;
        if (effect.kind === "append_ledger" && !this.#isLedgerManual) {
          waiting.push({ kind: "ledger_durable", through: effect.entry.sequence });
        }
        if (!this.#hidden.has(effect.kind)) told.push(show(effect));
      }
    }
    return told;
  }
}

/** What `show` and `hide` call the effects that are not always wanted. */
function kindOf(name: string): Effect["kind"] {
  const kinds: Record<string, Effect["kind"]> = {
    wakes: "wake",
    ledger: "append_ledger",
    heartbeats: "answer_heartbeat",
    records: "request_settled",
  };
  const kind = kinds[name];
  if (kind === undefined) throw new Error(`Say ${Object.keys(kinds).join(" or ")}, not "${name}".`);
  return kind;
}
