import { createHash, createHmac } from "node:crypto";
import { alertLine } from "../administration/alert-lines.ts";
import { describeLimit, formatAmount } from "../core/budget/limits.ts";
import type { Alert } from "../ledger/alert-table.ts";

/** What is posted: the same for each attempt, so that a receiver knows by its id what it has had already. */
export interface Message {
  id: string;
  body: string;
}

const ID_LENGTH = 27;

export function messageOf(alert: Alert): Message {
  const { account, unit, window, startUs, percent, amount, posted } = alert;
  // Ledgers count their alerts from 1, and a receiver may hear of several ledgers.
  const name = [account, unit, window, startUs, percent, alert.atUs].join(" ");
  const id = createHash("sha256").update(name).digest("base64url").slice(0, ID_LENGTH);
  const { id: _id, delivery: _delivery, attempts: _attempts, at, ...line } = alertLine(alert);
  const used = `${formatAmount(unit, posted)} of ${describeLimit({ unit, window, amount })}`;
  const message = `${account} has reached ${percent} % of a limit: ${used}.`;
  return {
    id: `msg_${id}`,
    body: JSON.stringify({ type: "alert", timestamp: at, data: { ...line, message } }),
  };
}

/** The headers of one attempt, as Standard Webhooks has them: the signature is over `id.timestamp.body`. */
export function signedHeaders({ id, body }: Message, key: Uint8Array, nowMs: number): Record<string, string> {
  const timestamp = Math.floor(nowMs / 1_000);
  const signature = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64");
  return {
    "content-type": "application/json",
    "webhook-id": id,
    "webhook-timestamp": String(timestamp),
    "webhook-signature": `v1,${signature}`,
  };
}
