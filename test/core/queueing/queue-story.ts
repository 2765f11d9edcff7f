import { strict as assert } from "node:assert";
import { schedulingOf } from "../../../src/core/default-scheduling.ts";
import type { BandConfig, QueueingConfig } from "../../../src/core/config.ts";
import { NO_HINTS } from "../../../src/core/events.ts";
import type { PolicyChoice } from "../../../src/core/policy.ts";
import { Queue, type QueueLimits } from "../../../src/core/queueing/queue.ts";
import type { Packet } from "../../../src/core/request.ts";
import { type Micros, seconds } from "../../../src/core/units.ts";
import { plannedPacket } from "../fixtures.ts";
import { Command, parseDuration } from "../transcript-command.ts";

const INDENT = "    ";

/**
 * Tells a story about the queue anew: inputs stay, and each is followed by what the queue decides.
 *
 * ```
 *   config fairness=vtc weights=a:2      policies by name, with parameters as in las(half_life=20)
 *   at 1s add p1 flow=a input=100        a packet waits; also band, max, ttft, bytes, key, again, label
 *   serve 3                              three are placed, in order
 *   walk take=p3,p4                      walks along the line, and places only those
 *   generate p1 20, read p1 90, end p1   what becomes of one that was placed
 *   remove p1                            it waits no longer
 *   room band=bulk, evict band=urgent    what a new packet of that band would find
 *   set fairness=las                     another configuration, at run time
 *   counts
 * ```
 */
export function retellQueue(story: string): string {
  const teller = new QueueTeller();
  const lines: string[] = [];
  for (const [index, line] of story.trimEnd().split("\n").entries()) {
    if (line.startsWith(INDENT)) continue;
    lines.push(line);
    if (line === "" || line.startsWith("#")) continue;
    try {
      for (const told of teller.tell(line)) lines.push(INDENT + told);
    } catch (error) {
      throw new Error(`line ${index + 1}, "${line}": ${(error as Error).message}`, { cause: error });
    }
  }
  return `${lines.join("\n")}\n`;
}

class QueueTeller {
  #config: QueueingConfig = schedulingOf("").queueing;
  readonly #limits: QueueLimits = { packetsMax: 100, bytesMax: 100_000, ttlUs: seconds(80), slo: null };
  readonly #packets = new Map<string, Packet>();
  #queue: Queue | null = null;
  #nowUs: Micros = 0;

  tell(line: string): string[] {
    const [, time, rest] = /^at (\S+) +(.+)$/.exec(line) ?? [];
    if (time !== undefined) {
      const atUs = parseDuration(time);
      assert(atUs >= this.#nowUs, "Time does not go back.");
      this.#nowUs = atUs;
    }
    const command = new Command(rest ?? line);
    const told = this.#act(command);
    command.end();
    return told;
  }

  get #line(): Queue {
    return (this.#queue ??= new Queue(this.#config, this.#limits));
  }

  #act(command: Command): string[] {
    switch (command.verb) {
      case "config":
        assert(this.#queue === null, "Settings come before the first packet; use `set` later.");
        this.#limits.packetsMax = command.number("packets_max") ?? this.#limits.packetsMax;
        this.#limits.bytesMax = command.number("bytes_max") ?? this.#limits.bytesMax;
        this.#config = configured(this.#config, command);
        return [];
      case "set":
        this.#config = configured(this.#config, command);
        this.#line.reconfigure(this.#config, this.#nowUs);
        return [];
      case "add":
        this.#line.add(this.#newPacket(command), this.#nowUs);
        return [];
      case "run":
        this.#line.dispatched(this.#newPacket(command), this.#nowUs);
        return [];
      case "serve":
        return this.#serve(Number(command.subject));
      case "walk":
        return this.#walk(command.text("take")?.split(",") ?? []);
      case "generate":
        this.#line.generated(this.#packet(command), command.number("tokens") ?? 1, this.#nowUs);
        return [];
      case "read":
        this.#line.read(this.#packet(command), command.number("tokens") ?? 0, this.#nowUs);
        return [];
      case "end":
        return this.#line.ended(this.#packet(command), this.#nowUs) ? ["its flow was at its cap"] : [];
      case "remove":
        return this.#line.remove(this.#packet(command), this.#nowUs) ? [] : ["was not waiting"];
      case "room":
        return [this.#line.fullFor(applicant(command)) ?? "yes"];
      case "evict":
        return [this.#line.evictFor(applicant(command))?.map(nameOf).join(" ") ?? "nothing would help"];
      case "counts":
        return [`packets=${this.#line.packets} bytes=${this.#line.bytes}`];
      default:
        throw new Error(`There is no "${command.verb}".`);
    }
  }

  #serve(count: number): string[] {
    const served: string[] = [];
    for (const packet of count > 0 ? this.#line.inOrder("m", this.#nowUs) : []) {
      this.#place(packet);
      served.push(nameOf(packet));
      if (served.length === count) break;
    }
    return [served.length === 0 ? "nobody" : served.join(" ")];
  }

  #walk(wanted: readonly string[]): string[] {
    const told: string[] = [];
    for (const packet of this.#line.inOrder("m", this.#nowUs)) {
      const isTaken = wanted.includes(nameOf(packet));
      if (isTaken) this.#place(packet);
      told.push(`${nameOf(packet)}${isTaken ? "!" : ""}`);
    }
    return [told.length === 0 ? "nobody" : told.join(" ")];
  }

  #place(packet: Packet): void {
    assert(this.#line.remove(packet, this.#nowUs));
    this.#line.dispatched(packet, this.#nowUs);
  }

  #newPacket(command: Command): Packet {
    const ttftUs = command.duration("ttft");
    const label = command.text("label");
    const packet = plannedPacket({
      request: command.subject,
      tenant: command.text("flow") ?? "a",
      key: command.text("key") ?? null,
      promptTokensMax: command.number("input") ?? 10,
      maxTokens: command.number("max") ?? 100,
      bodyBytes: command.number("bytes") ?? 100,
      hints: {
        ...NO_HINTS,
        priority: command.text("band") ?? null,
        flow: command.text("hint") ?? null,
        labels: label === undefined ? {} : { label },
        slo: ttftUs === undefined ? null : { ttftUs, tpotUs: 0 },
      },
    });
    // The fixture has everybody arrive at 0.
    Object.assign(packet.request, { arrivedUs: this.#nowUs });
    if (command.has("again")) packet.attempts = 1;
    this.#packets.set(command.subject, packet);
    return packet;
  }

  #packet({ subject }: Command): Packet {
    const packet = this.#packets.get(subject);
    assert(packet !== undefined, `There is no packet ${subject}.`);
    return packet;
  }
}

function applicant(command: Command): { bodyBytes: number; hints: typeof NO_HINTS } {
  return {
    bodyBytes: command.number("bytes") ?? 100,
    hints: { ...NO_HINTS, priority: command.text("band") ?? null },
  };
}

function nameOf({ request }: Packet): string {
  return request.id;
}

function configured(config: QueueingConfig, command: Command): QueueingConfig {
  const bands = command.text("bands");
  const flowBy = command.text("flow_by") as QueueingConfig["flowBy"] | undefined;
  const weights = command.text("weights");
  const caps = command.text("caps");
  return {
    ...config,
    bands: bands === undefined ? config.bands : bands.split(",").map(band),
    bandPolicy: choice(command.text("band_policy")) ?? config.bandPolicy,
    fairness: choice(command.text("fairness")) ?? config.fairness,
    ordering: choice(command.text("ordering")) ?? config.ordering,
    flowBy: flowBy ?? config.flowBy,
    weights: weights === undefined ? config.weights : table(weights),
    caps: caps === undefined ? config.caps : table(caps),
  };
}

/** `name:weight:packetsMax`, of which the last two may be missing. */
function band(text: string): BandConfig {
  const [name = "", weight = "1", packetsMax] = text.split(":");
  return {
    name,
    weight: Number(weight),
    packetsMax: packetsMax === undefined ? null : Number(packetsMax),
    bytesMax: null,
    ttlUs: null,
    isSheddable: false,
    preempts: false,
  };
}

/** `name(parameter=value,…)`. */
function choice(text: string | undefined): PolicyChoice | null {
  if (text === undefined) return null;
  const [, name = "", parameters = ""] = /^([^(]+)(?:\((.*)\))?$/.exec(text) ?? [];
  const pairs = parameters === "" ? [] : parameters.split(",").map((pair) => pair.split("="));
  return { name, parameters: Object.fromEntries(pairs.map(([key, value]) => [key, Number(value)])) };
}

function table(text: string): Record<string, number> {
  return Object.fromEntries(
    text
      .split(",")
      .map((pair) => pair.split(":"))
      .map(([key, value]) => [key, Number(value)]),
  );
}
