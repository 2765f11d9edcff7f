import { costOf, OUTPUT_NANO } from "../money.ts";

/**
 * How a call stands: under way; answered to the end; left by its caller; broken by the script; refused, which is never
 * billed.
 */
export type CallState = "open" | "finished" | "left" | "broken" | "refused";

/** One call that reached the upstream, whatever became of it. */
export interface Call {
  readonly id: string;
  /** Counted from 0 among the calls with this id. */
  readonly attempt: number;
  readonly startedMs: number;
  /** Null while it is open. */
  endedMs: number | null;
  state: CallState;
  readonly promptTokens: number;
  /** Over all choices, until now. */
  completionTokens: number;
  /** Billed beyond that. */
  overbilledTokens: number;
  /** The most it was allowed to generate, over all choices; null where nothing was said. */
  readonly maxTokens: number | null;
}

/** Of some calls together, in nano-USD. */
export interface Spend {
  /** Everything that was billed. */
  nano: number;
  /** The part of it beyond the maximum that the calls were given: no gateway could know of it before. */
  overageNano: number;
}

/** What was really generated and billed, kept by the one who did it. */
export class Books {
  readonly #calls = new Map<string, Call[]>();

  open(call: { id: string; promptTokens: number; maxTokens: number | null }): Call {
    const earlier = this.#calls.get(call.id) ?? [];
    const opened: Call = {
      ...call,
      attempt: earlier.length,
      startedMs: Date.now(),
      endedMs: null,
      state: "open",
      completionTokens: 0,
      overbilledTokens: 0,
    };
    this.#calls.set(call.id, [...earlier, opened]);
    return opened;
  }

  close(call: Call, state: CallState): void {
    if (call.state !== "open") return;
    call.state = state;
    call.endedMs = Date.now();
  }

  /** All attempts of these requests. */
  callsOf(ids: Iterable<string>): Call[] {
    return [...ids].flatMap((id) => this.#calls.get(id) ?? []);
  }

  spendOf(ids: Iterable<string>): Spend {
    return spendOf(this.callsOf(ids));
  }
}

export function spendOf(calls: readonly Call[]): Spend {
  const sum: Spend = { nano: 0, overageNano: 0 };
  for (const call of calls) {
    if (call.state === "refused") continue;
    const completionTokens = call.completionTokens + call.overbilledTokens;
    sum.nano += costOf({ promptTokens: call.promptTokens, completionTokens });
    if (call.maxTokens === null) continue;
    sum.overageNano += Math.max(0, completionTokens - call.maxTokens) * OUTPUT_NANO;
  }
  return sum;
}
