/**
 * The life of a request, in the words used everywhere else: folders, functions, log fields,
 * metric labels and docs all name these eight stages. Read this file first, then
 * `supervisor.ts`, which walks through them in this order.
 *
 * ```
 *            ┌────────────────── once per request ──────────────────┐
 *            admit ──▶ plan ──┐                             settle ──┘
 *                             ▼                               ▲
 *                          reserve ──▶ queue ──▶ place ──▶ dispatch ──▶ stream
 *                             ▲ ▲        ▲         │          │           │
 *                             │ └─ more ─┼─────────┘          │           │
 *                             │          └──── retry ─────────┴ hand over ┤
 *                             └────────────── start over ─────────────────┘
 *            └──────────────────── once per packet ─────────────────────┘
 * ```
 *
 * A request is cut into packets at `plan`; each packet then goes its own way from `reserve`
 * to `settle`, with its own hold and attempts. Under a limit a packet is held a piece at a time,
 * and its hold grows while it streams.
 */
export type Stage = "admit" | "plan" | "reserve" | "queue" | "place" | "dispatch" | "stream" | "settle";

/** Which stage may follow which. Every stage may end early in `settle`, which releases whatever is held. */
const NEXT: Readonly<Record<Stage, readonly Stage[]>> = {
  admit: ["plan", "settle"],
  plan: ["reserve", "settle"],
  reserve: ["queue", "settle"],
  queue: ["place", "settle"],
  // A packet leaves the queue when an endpoint has been found for it, not before.
  // Where that has GPUs that its hold has no time for, it waits for a longer one.
  place: ["dispatch", "reserve"],
  // A failed attempt goes back to the queue, to be placed on an endpoint it has not tried.
  // What the attempt has already used is posted first; the next one then needs a hold of its own.
  dispatch: ["stream", "queue", "reserve", "settle"],
  // A buffered answer has shown the client nothing yet, so it may start again elsewhere; another goes on where it
  // was, from the tokens relayed so far or from its KV state.
  stream: ["reserve", "queue", "settle"],
  settle: [],
};

export function mayFollow(from: Stage, to: Stage): boolean {
  return NEXT[from].includes(to);
}
