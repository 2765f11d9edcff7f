import type { LedgerEntry } from "../../core/budget/ledger-entry.ts";
import type { CoreConfig } from "../../core/config.ts";
import type { Effect } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import { packetOf, requestOf } from "../ids.ts";
import type { Checker, Violate } from "./checker.ts";

interface WatchedAttempt {
  hasStarted: boolean;
  /** When it last showed progress, and when it last said anything: tokens that nobody may have show none. */
  progressUs: Micros;
  heardUs: Micros;
  hold: WatchedHold;
}

interface WatchedHold {
  id: string;
  /** Entries that make it longer and are not known to be durable yet: who runs under it may have to wait for them. */
  undurable: number[];
}

/**
 * An attempt is given up when nothing has come from it for as long as it may be silent, and
 * neither later nor earlier. A remote endpoint sends a buffered answer in one piece, so its
 * silence proves nothing; nor does that of an attempt whose client has not read for a while, or
 * that may have come to the end of its credit while more is on its way to the disk.
 */
export class SilenceChecker implements Checker {
  readonly #config: CoreConfig;
  readonly #violate: Violate;
  readonly #remotes: ReadonlySet<string>;
  readonly #buffered = new Set<string>();
  readonly #blocked = new Set<string>();
  /** The latest hold of each packet. */
  readonly #holds = new Map<string, WatchedHold>();
  /** Attempts whose silence counts. */
  readonly #watched = new Map<string, WatchedAttempt>();

  constructor(config: CoreConfig, violate: Violate) {
    this.#config = config;
    this.#violate = violate;
    this.#remotes = new Set(config.remotes.map(({ name }) => name));
  }

  event(nowUs: Micros, event: SupervisorEvent): void {
    switch (event.kind) {
      case "ledger_durable":
        return this.#durable(nowUs, event.through);
      case "request_arrived":
        if (!event.streamed) this.#buffered.add(event.request);
        return;
      case "client_blocked":
        this.#blocked.add(event.request);
        return;
      case "attempt_started":
        return this.#heard(nowUs, event.attempt, true);
      case "attempt_output":
        return this.#heard(nowUs, event.attempt, false);
      case "attempt_finished":
      case "attempt_failed":
      case "attempt_parked":
        return this.#end(nowUs, event.attempt);
      default:
    }
  }

  /** Holds become longer between attempts too, and then it is nobody's progress. */
  #durable(nowUs: Micros, through: number): void {
    const longer = new Set<WatchedHold>();
    for (const hold of this.#holds.values()) {
      const left = hold.undurable.filter((sequence) => sequence > through);
      if (left.length < hold.undurable.length) longer.add(hold);
      hold.undurable = left;
    }
    for (const attempt of this.#watched.values()) {
      if (longer.has(attempt.hold)) attempt.progressUs = attempt.heardUs = nowUs;
    }
  }

  effects(nowUs: Micros, effects: readonly Effect[]): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case "dispatch": {
          const isDocument = this.#remotes.has(effect.worker) && this.#buffered.has(effect.request);
          const fresh = { hasStarted: false, progressUs: nowUs, heardUs: nowUs };
          const hold = this.#holds.get(packetOf(effect.attempt))!;
          if (!isDocument) this.#watched.set(effect.attempt, { ...fresh, hold });
          break;
        }
        case "relay":
          this.#heard(nowUs, effect.attempt, true);
          break;
        case "append_ledger":
          this.#append(effect.entry);
          break;
        case "cancel_attempt":
          if (effect.reason === "silent") this.#givenUp(nowUs, effect.attempt);
          this.#end(nowUs, effect.attempt);
          break;
        case "request_settled":
          this.#forget(effect.record.request);
          break;
        default:
      }
    }
  }

  #append({ operation, hold, sequence, charge }: LedgerEntry): void {
    const packet = packetOf(hold);
    if (operation === "reserve") this.#holds.set(packet, { id: hold, undurable: [] });
    const watched = this.#holds.get(packet);
    // More time is nothing that an answer would have to wait for.
    const isOfTokens = operation === "extend" && charge.outputTokens > 0;
    if (isOfTokens && watched?.id === hold) watched.undurable.push(sequence);
  }

  #heard(nowUs: Micros, id: string, isProgress: boolean): void {
    this.#checkPatience(nowUs, id);
    const attempt = this.#watched.get(id);
    if (attempt === undefined) return;
    attempt.hasStarted = true;
    attempt.heardUs = nowUs;
    if (isProgress) attempt.progressUs = nowUs;
  }

  #end(nowUs: Micros, id: string): void {
    this.#checkPatience(nowUs, id);
    this.#watched.delete(id);
  }

  #givenUp(nowUs: Micros, id: string): void {
    const attempt = this.#watched.get(id);
    const silentUs = attempt === undefined ? 0 : nowUs - attempt.progressUs;
    if (attempt === undefined || attempt.hold.undurable.length > 0 || silentUs < this.#patienceUs(attempt)) {
      this.#violate(requestOf(id), `${id} is given up after ${silentUs / 1e6} s of silence that counts`);
    }
  }

  #checkPatience(nowUs: Micros, id: string): void {
    const attempt = this.#watched.get(id);
    if (attempt === undefined || attempt.hold.undurable.length > 0 || this.#blocked.has(requestOf(id)))
      return;
    const silentUs = nowUs - attempt.heardUs;
    if (silentUs > this.#patienceUs(attempt)) {
      this.#violate(requestOf(id), `${id} was silent for ${silentUs / 1e6} s`);
    }
  }

  #forget(request: string): void {
    this.#buffered.delete(request);
    this.#blocked.delete(request);
    for (const packet of this.#holds.keys()) if (requestOf(packet) === request) this.#holds.delete(packet);
  }

  #patienceUs({ hasStarted }: WatchedAttempt): Micros {
    const { stallUs, prefillUs } = this.#config.timeouts;
    return hasStarted ? stallUs : prefillUs;
  }
}
