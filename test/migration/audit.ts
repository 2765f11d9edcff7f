import assert from "node:assert/strict";
import { chainOf, type DecidedRequest } from "./decisions.ts";
import type { Books } from "./fleet.ts";
import type { Reading } from "./reading.ts";
import type { WireGeneration, WireTap } from "./wire-tap.ts";

/** How an answer got from worker to worker. */
export interface Journey {
  /** Its tokens' ids, as the workers gave them out. */
  ids: number[];
  moves: Move[];
}

export interface Move {
  /** The KV state came along, or prompt and tokens were read again. */
  by: "state" | "replay";
  /** Why it left: `parked`, or what went wrong. */
  cause: string;
  /** From the last token of the one worker to the first of the other; null where one of them gave none. */
  pauseMs: number | null;
}

/**
 * Holds what a client was given against what went over the wire to each worker that had a part in it, and against the
 * workers' receipts: no token is lost, shown twice or another one.
 */
export function auditAnswer(reading: Reading, books: Books, { generations }: WireTap): Journey {
  const request = books.requests.get(reading.request)!;
  const chain = chainOf(request);
  const ids: number[] = [];
  const moves: Move[] = [];
  let text = "";
  let shownUs: number | null = null;
  for (const [i, { dispatch, relayed, firstRelayUs, lastRelayUs }] of chain.entries()) {
    const isLast = i === chain.length - 1;
    const generation = generations.get(dispatch.attempt)!;
    const where = `${dispatch.attempt} on ${dispatch.worker}`;
    assert.deepEqual(generation.asked.continue?.tokens ?? [], ids, `${where} goes on from what was shown`);
    assert.equal(dispatch.resume?.tokens ?? 0, ids.length);
    assert.ok(relayed <= generation.ids.length, `${where}: shown is only what was generated`);
    if (isLast || generation.end === "parked") assert.equal(relayed, generation.ids.length, where);
    checkReceipt(generation, books);
    ids.push(...generation.ids.slice(0, relayed));
    text += isLast ? textOf(generation, Infinity) : textOf(generation, relayed);
    if (dispatch.resume !== null) {
      const by = generation.started?.used_state === true ? "state" : "replay";
      const pauseMs = firstRelayUs === null || shownUs === null ? null : (firstRelayUs - shownUs) / 1_000;
      moves.push({ by, cause: chain[i - 1]!.left!, pauseMs });
    }
    shownUs = lastRelayUs ?? shownUs;
  }
  assert.equal(reading.text, text, `${reading.request}: the text is that of the tokens`);
  assert.equal(reading.completionTokens, ids.length, `${reading.request}: tokens in the usage`);
  if (reading.tokens.length > 0)
    assert.equal(reading.tokens.length, ids.length, "each token has its log probability");
  return { ids, moves };
}

/** The text that came with the first so many tokens. */
function textOf({ texts }: WireGeneration, tokens: number): string {
  let text = "";
  let left = tokens;
  for (const piece of texts) {
    if (left <= 0) break;
    left -= piece.ids;
    text += piece.text;
  }
  return text;
}

/** A worker that was killed has no receipt; one that told the end of a generation has one that says the same. */
function checkReceipt({ id, ids, end, asked }: WireGeneration, { receipts }: Books): void {
  const receipt = receipts.get(id);
  if (receipt === undefined) return;
  assert.equal(receipt.continued_from ?? 0, asked.continue?.tokens.length ?? 0, `the receipt of ${id}`);
  // What it had generated when we left it may not have reached us.
  if (end === null) assert.ok(receipt.completion_tokens >= ids.length, `the receipt of ${id}`);
  else assert.equal(receipt.completion_tokens, ids.length, `the receipt of ${id}`);
}

/** Nothing is left held, and each request paid for exactly the tokens that were relayed of it, once. */
export function auditLedger({ entries, requests }: Books): void {
  const open = new Set<string>();
  const paid = new Map<string, { nanoUsd: number; tokens: number; requests: number }>();
  for (const { operation, hold, charge, inDoubt } of entries) {
    assert.equal(inDoubt, false);
    if (operation === "reserve") open.add(hold);
    if (operation === "post" || operation === "void") assert.ok(open.delete(hold), `${hold} is closed once`);
    if (operation !== "post") continue;
    const id = hold.slice(0, hold.indexOf("/"));
    const sum = paid.get(id) ?? { nanoUsd: 0, tokens: 0, requests: 0 };
    sum.nanoUsd += charge.nanoUsd;
    sum.tokens += charge.outputTokens;
    sum.requests += charge.requests;
    paid.set(id, sum);
  }
  assert.equal(open.size, 0, `left held: ${[...open].join()}`);
  for (const request of requests.values()) checkPaid(request, paid.get(request.id));
}

function checkPaid(
  { id, attempts, record }: DecidedRequest,
  paid: { nanoUsd: number; tokens: number; requests: number } = { nanoUsd: 0, tokens: 0, requests: 0 },
): void {
  const relayed = attempts.reduce((sum, attempt) => sum + attempt.relayed, 0);
  assert.equal(paid.tokens, relayed, `tokens paid for by ${id}`);
  assert.equal(paid.nanoUsd, relayed * 1_000, `price of ${id}`);
  assert.ok(paid.requests <= 1, `${id} counts once`);
  assert.equal(record?.charged.outputTokens, relayed, `record of ${id}`);
}
