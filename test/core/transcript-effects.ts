import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import type { BudgetView, Dispatch, Effect, SliceView } from "../../src/core/effects.ts";
import type { HeadgateError } from "../../src/core/errors.ts";
import type { AskedPlace, LeaseOrder, LeasePlace } from "../../src/core/leasing/lease.ts";
import type { Inspection } from "../../src/core/inspection.ts";
import type { SettledRecord } from "../../src/core/settling/record.ts";
import type { Charge } from "../../src/core/budget/charge.ts";
import type { TokenUsage } from "../../src/core/vocabulary.ts";
import { showDuration } from "./transcript-command.ts";

/** An effect as one line of a transcript. */
export function show(effect: Effect): string {
  switch (effect.kind) {
    case "append_ledger":
      return `ledger ${showEntry(effect.entry)}`;
    case "order_lease":
      return `lease ${showOrder(effect.order)}`;
    case "lease_lost":
      return "lease lost";
    case "dispatch":
      return `dispatch ${showDispatch(effect)}`;
    case "answer_slice": {
      const { ask, slice, error } = effect;
      if (slice === null) return `slice ${ask} ${showError(error!)}`;
      const { account, status, amounts, remaining, released, expiresUs } = slice;
      if (released !== undefined)
        return `slice ${ask} ${account} ${status}: released ${showAmounts(released)}`;
      if (expiresUs === null) return `slice ${ask} ${account} ${status}`;
      const until = showDuration(expiresUs);
      return `slice ${ask} ${account} ${status} until ${until}: ${showAmounts(remaining)} of ${showAmounts(amounts)}`;
    }
    case "budget_told":
      return `budget ${effect.request} ${effect.budgets.map(showBudget).join(", ")}`;
    case "grant_credit":
      return `grant ${effect.attempt} credit=${effect.creditTokens}`;
    case "ask_receipts":
      return `ask ${effect.worker} for receipts of ${effect.attempts.join(" ")}`;
    case "park_attempt":
      return `park ${effect.attempt}: ${effect.reason}`;
    case "free_state":
      return `free ${effect.attempt} on ${effect.worker}`;
    case "cancel_attempt":
      return `cancel ${effect.attempt}: ${effect.reason}`;
    case "relay":
      return `relay ${effect.attempt}${showChoice(effect)} tokens=${effect.tokens}`;
    case "finish_answer": {
      const line = `answered ${effect.attempt}${showChoice(effect)}: ${effect.finishReason}`;
      if (effect.shortage?.isClosed === true) return `${line}, for ${effect.shortage.account} is closed`;
      if (effect.shortage?.maxTokens !== undefined) {
        return `${line}, shortened to ${effect.shortage.maxTokens} by ${showBudget(effect.shortage)}`;
      }
      return effect.shortage === null ? line : `${line}, short of ${showBudget(effect.shortage)}`;
    }
    case "finish_request": {
      const line = `finish ${effect.request} ${showUsage(effect.usage)} cost=${effect.cost.nanoUsd}`;
      return [line, ...effect.budgets.map(showBudget)].join(", ");
    }
    case "fail_request":
      return `fail ${effect.request} ${showError(effect.error)}`;
    case "drop_client":
      return `drop ${effect.request}`;
    case "answer_heartbeat":
      return effect.refusal === null ? "heartbeat accepted" : `heartbeat refused: ${effect.refusal}`;
    case "worker_changed":
      return `worker ${effect.worker} ${effect.status}: ${effect.reason}`;
    case "request_settled":
      return `settled ${showRecord(effect.record)}`;
    case "wake":
      return `wake ${showDuration(effect.atUs)}`;
    case "drained":
      return "drained";
  }
}

function showAmounts(amounts: SliceView["amounts"]): string {
  return Object.entries(amounts)
    .map(([unit, amount]) => `${amount} ${unit}`)
    .join(", ");
}

function showOrder(order: LeaseOrder): string {
  const place = "unit" in order ? `${order.account} ${order.unit} ${order.window}` : "";
  switch (order.kind) {
    case "open":
      return `open ${place}`;
    case "ask":
      return `ask ${order.ask} ${[...order.places.map(showAsked), ...order.news.map(showNews)].join(", ")}`;
    case "turn":
      return `turn of ${order.request}: ${[order.model, ...order.payers].join(", ")}`;
    case "give":
      return `give ${place} ${order.amount}${order.recall === null ? "" : ` for recall ${order.recall}`}`;
    case "slice":
      return `slice ${order.asked.ask}: ${order.asked.action} ${order.asked.account}`;
    case "slice_awaited":
      return `slice awaited: opening ${order.opening}`;
    case "slice_left":
      return `slice left: ${order.account}, closing ${order.closing}`;
  }
}

function showNews({ account, unit, window }: LeasePlace): string {
  return `${account} ${unit} ${window} news`;
}

function showAsked({ account, unit, window, needed, least, surplus, percent }: AskedPlace): string {
  const amounts = `needed=${needed} least=${least} surplus=${surplus}`;
  return `${account} ${unit} ${window} ${amounts}${percent === 100 ? "" : ` to ${percent} %`}`;
}

export function showInspection(inspection: Inspection): string[] {
  const { requests, openHolds, queue, sessions, kvBytes, workers, draining } = inspection;
  const load = `requests=${requests} holds=${openHolds} queue=${queue.packets}/${queue.bytes}B sessions=${sessions} kv=${kvBytes}B`;
  return [
    draining ? `${load} draining` : load,
    ...workers.map(({ worker, status, inFlight, foreignSessions, kvBytesReserved, models }) => {
      const served = models.map(({ model, inFlight: busy, slots }) => `${model}=${busy}/${slots}`).join(" ");
      return `${worker} ${status} in_flight=${inFlight} foreign=${foreignSessions} kv=${kvBytesReserved}B ${served}`;
    }),
  ];
}

function showEntry(entry: LedgerEntry): string {
  const line = `${entry.sequence} ${entry.operation} ${entry.hold} ${entry.account} ${showCharge(entry.charge)}`;
  const doubt = entry.inDoubt ? `${line} in doubt` : line;
  return entry.overage === null ? doubt : `${doubt} overage: ${showCharge(entry.overage)}`;
}

function showCharge(charge: Charge): string {
  const { nanoUsd, inputTokens, outputTokens, requests, gpuUs } = charge;
  const line = `nano=${nanoUsd} in=${inputTokens} out=${outputTokens} requests=${requests}`;
  return gpuUs === 0 ? line : `${line} gpu=${showDuration(gpuUs)}`;
}

function showBudget({ account, unit, window, limit, remaining }: BudgetView): string {
  return `${account} ${remaining} of ${limit} ${unit}/${window}`;
}

/** Where a packet answers several choices, which of them. */
function showChoice({ choice, attempt }: { choice: number; attempt: string }): string {
  const first = Number(/\/(\d+)h?#/.exec(attempt)?.[1]);
  return choice === first ? "" : ` choice ${choice}`;
}

function showDispatch(dispatch: Dispatch): string {
  const { attempt, worker, model, maxTokens, creditTokens, choices, resume, isPrefillOnly } = dispatch;
  const line = `${attempt} to ${worker}/${model} max_tokens=${maxTokens} credit=${creditTokens}`;
  const stateOn = resume?.stateOn ?? null;
  const state = stateOn === null ? "" : ` with the state on ${stateOn}`;
  return [
    line,
    ...(choices === 1 ? [] : [`n=${choices}`]),
    ...(isPrefillOnly ? ["prefill only"] : []),
    ...(resume === null ? [] : [`after ${resume.tokens} tokens of ${resume.attempt}${state}`]),
  ].join(" ");
}

function showUsage(usage: TokenUsage): string {
  const { promptTokens, cachedTokens, completionTokens } = usage;
  return `prompt=${promptTokens} cached=${cachedTokens} completion=${completionTokens}`;
}

function showError(error: HeadgateError): string {
  const { code, message, retryAfterSeconds, ...facts } = error;
  const shown = Object.entries(facts).map(([name, value]) => {
    const text = Array.isArray(value) ? value.join(",") : value;
    return `${name}=${typeof text === "string" ? text : JSON.stringify(text)}`;
  });
  if (retryAfterSeconds !== undefined) shown.push(`retry_after=${retryAfterSeconds}s`);
  return [code, ...shown, JSON.stringify(message)].join(" ");
}

function showRecord(record: SettledRecord): string {
  const { request, outcome, code, reason, totalUs, ttftUs, stagesUs, packets, attempts } = record;
  const { hedges, migrations } = record;
  const end = [outcome, code, reason].filter((word) => word !== null).join("/");
  const times = Object.entries(stagesUs).map(([stage, micros]) => `${stage}=${showDuration(micros)}`);
  return [
    `${request} ${end} after ${showDuration(totalUs)}`,
    ...(ttftUs === null ? [] : [`ttft=${showDuration(ttftUs)}`]),
    ...(packets === 0 ? [] : [`packets=${packets} attempts=${attempts}`, showUsage(record.usage)]),
    ...(hedges === 0 ? [] : [`hedges=${hedges}`]),
    ...(migrations === 0 ? [] : [`migrations=${migrations}`]),
    ...(times.length === 0 ? [] : [`(${times.join(" ")})`]),
  ].join(" ");
}
