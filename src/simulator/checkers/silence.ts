import type { CoreConfig } from "../../core/config.ts";
import type { Effect } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import { requestOf } from "../ids.ts";
import type { Checker, Violate } from "./checker.ts";

interface WatchedAttempt {
  hasStarted: boolean;
  progressUs: Micros;
}

/**
 * An attempt is given up when nothing has come from it for as long as it may be silent, and
 * neither later nor earlier. A remote endpoint sends a buffered answer in one piece, so its
 * silence proves nothing; nor does that of an attempt whose client has not read for a while.
 */
export class SilenceChecker implements Checker {
  readonly #config: CoreConfig;
  readonly #violate: Violate;
  readonly #remotes: ReadonlySet<string>;
  readonly #buffered = new Set<string>();
  readonly #blocked = new Set<string>();
  /** Attempts whose silence counts. */
  readonly #watched = new Map<string, WatchedAttempt>();

  constructor(config: CoreConfig, violate: Violate) {
    this.#config = config;
    this.#violate = violate;
    this.#remotes = new Set(config.remotes.map(({ name }) => name));
  }

  event(nowUs: Micros, event: SupervisorEvent): void {
    switch (event.kind) {
      case "request_arrived":
        if (!event.streamed) this.#buffered.add(event.request);
        return;
      case "client_blocked":
        this.#blocked.add(event.request);
        return;
      case "attempt_started":
      case "attempt_output":
        return this.#progress(nowUs, event.attempt);
      case "attempt_finished":
      case "attempt_failed":
        return this.#end(nowUs, event.attempt);
      default:
    }
  }

  effects(nowUs: Micros, effects: readonly Effect[]): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case "dispatch": {
          const isDocument = this.#remotes.has(effect.worker) && this.#buffered.has(effect.request);
          if (!isDocument) this.#watched.set(effect.attempt, { hasStarted: false, progressUs: nowUs });
          break;
        }
        case "cancel_attempt":
          if (effect.reason === "silent") this.#givenUp(nowUs, effect.attempt);
          this.#end(nowUs, effect.attempt);
          break;
        case "request_settled":
          this.#buffered.delete(effect.record.request);
          this.#blocked.delete(effect.record.request);
          break;
        default:
      }
    }
  }

  #progress(nowUs: Micros, id: string): void {
    this.#checkPatience(nowUs, id);
    const attempt = this.#watched.get(id);
    if (attempt === undefined) return;
    attempt.hasStarted = true;
    attempt.progressUs = nowUs;
  }

  #end(nowUs: Micros, id: string): void {
    this.#checkPatience(nowUs, id);
    this.#watched.delete(id);
  }

  #givenUp(nowUs: Micros, id: string): void {
    const attempt = this.#watched.get(id);
    const silentUs = attempt === undefined ? 0 : nowUs - attempt.progressUs;
    if (attempt === undefined || silentUs < this.#patienceUs(attempt)) {
      this.#violate(requestOf(id), `${id} is given up after ${silentUs / 1e6} s of silence that counts`);
    }
  }

  #checkPatience(nowUs: Micros, id: string): void {
    const attempt = this.#watched.get(id);
    if (attempt === undefined || this.#blocked.has(requestOf(id))) return;
    const silentUs = nowUs - attempt.progressUs;
    if (silentUs > this.#patienceUs(attempt)) {
      this.#violate(requestOf(id), `${id} was silent for ${silentUs / 1e6} s`);
    }
  }

  #patienceUs({ hasStarted }: WatchedAttempt): Micros {
    const { stallUs, prefillUs } = this.#config.timeouts;
    return hasStarted ? stallUs : prefillUs;
  }
}
