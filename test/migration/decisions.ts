import { readFileSync } from "node:fs";
import type { Dispatch } from "../../src/core/effects.ts";
import type { SettledRecord } from "../../src/core/settling/record.ts";
import { Supervisor } from "../../src/core/supervisor.ts";
import type { Micros } from "../../src/core/units.ts";
import type { RecordedEvent, RecordingHeader } from "../../src/recording/format.ts";

/** One sending of a request, as the supervisor saw it. */
export interface DecidedAttempt {
  dispatch: Dispatch;
  /** Tokens of it that the client was given. */
  relayed: number;
  dispatchedUs: Micros;
  firstRelayUs: Micros | null;
  lastRelayUs: Micros | null;
  /** Why it gave no end of the answer: `parked`, what failed, or why it was cancelled; null for one that gave it. */
  left: string | null;
  leftUs: Micros | null;
}

export interface DecidedRequest {
  id: string;
  /** In order of their sending. */
  attempts: DecidedAttempt[];
  /** The one that gave the end of the answer; null where there is none. */
  last: string | null;
  record: SettledRecord | null;
}

/** What the supervisor of a recording decided: its events, handled once more. */
export function readDecisions(path: string): Map<string, DecidedRequest> {
  const [header, ...lines] = readFileSync(path, "utf8").trimEnd().split("\n");
  const supervisor = new Supervisor((JSON.parse(header!) as RecordingHeader).config);
  const requests = new Map<string, DecidedRequest>();
  const attempts = new Map<string, DecidedAttempt>();
  const leave = (id: string, why: string, nowUs: Micros): void => {
    const attempt = attempts.get(id)!;
    attempt.left ??= why;
    attempt.leftUs ??= nowUs;
  };
  for (const line of lines) {
    const entry = JSON.parse(line) as RecordedEvent | { hash: string };
    if (!Array.isArray(entry)) break;
    const [nowUs, event] = entry;
    if (event.kind === "request_arrived") {
      requests.set(event.request, { id: event.request, attempts: [], last: null, record: null });
    }
    if (event.kind === "attempt_parked") leave(event.attempt, "parked", nowUs);
    if (event.kind === "attempt_failed") leave(event.attempt, event.reason, nowUs);
    for (const effect of supervisor.handle(nowUs, event)) {
      switch (effect.kind) {
        case "dispatch": {
          const attempt = {
            dispatch: effect,
            relayed: 0,
            dispatchedUs: nowUs,
            firstRelayUs: null,
            lastRelayUs: null,
            left: null,
            leftUs: null,
          };
          attempts.set(effect.attempt, attempt);
          requests.get(effect.request)!.attempts.push(attempt);
          break;
        }
        case "cancel_attempt":
          leave(effect.attempt, effect.reason, nowUs);
          break;
        case "relay": {
          const attempt = attempts.get(effect.attempt)!;
          attempt.relayed += effect.tokens;
          attempt.firstRelayUs ??= nowUs;
          attempt.lastRelayUs = nowUs;
          break;
        }
        case "finish_answer":
          requests.get(effect.request)!.last = effect.attempt;
          break;
        case "request_settled":
          requests.get(effect.record.request)!.record = effect.record;
          break;
        default:
      }
    }
  }
  return requests;
}

/** The attempts that the answer is made of, in order: the one that ended it, and those it goes on from. */
export function chainOf({ attempts, last }: DecidedRequest): DecidedAttempt[] {
  const chain: DecidedAttempt[] = [];
  for (let id = last; id !== null;) {
    const attempt = attempts.find(({ dispatch }) => dispatch.attempt === id)!;
    chain.unshift(attempt);
    id = attempt.dispatch.resume?.attempt ?? null;
  }
  return chain;
}
