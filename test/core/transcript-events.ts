import type { CoreConfig, Scheduling } from "../../src/core/config.ts";
import { schedulingOf } from "../../src/core/default-scheduling.ts";
import type { PolicyChoice } from "../../src/core/policy.ts";
import { EMPTY_LEDGER, type LedgerState } from "../../src/core/budget/accounts.ts";
import { isNothing } from "../../src/core/budget/charge.ts";
import type { Known } from "../../src/core/budget/limited-accounts.ts";
import { parentOf } from "../../src/core/budget/paths.ts";
import { closedView } from "../../src/core/budget/slice-rules.ts";
import { chargeOf, placeOfSlice, sliceId } from "../../src/core/budget/slice.ts";
import { LIMIT_UNITS, type LimitRow, type Threshold } from "../../src/core/budget/limits.ts";
import type { HeartbeatReceived, SupervisorEvent } from "../../src/core/events.ts";
import { MICROS_PER_MILLI, seconds, type Micros } from "../../src/core/units.ts";
import type { FailureReason, WorkerDialect, WorkerRole } from "../../src/core/vocabulary.ts";
import { heartbeat, requestArrived } from "./fixtures.ts";
import type { Command } from "./transcript-command.ts";

/** Reads a line such as `config queue=2s retries=0`. */
export function configure(config: CoreConfig, command: Command): void {
  const { limits, timeouts, heartbeats } = config;
  limits.sessionsMax = command.number("sessions") ?? limits.sessionsMax;
  limits.kvBytesMax = command.number("kv") ?? limits.kvBytesMax;
  limits.queuePacketsMax = command.number("queue_packets") ?? limits.queuePacketsMax;
  limits.queueBytesMax = command.number("queue_bytes") ?? limits.queueBytesMax;
  limits.choicesMax = command.number("choices") ?? limits.choicesMax;
  timeouts.queueUs = command.duration("queue") ?? timeouts.queueUs;
  timeouts.prefillUs = command.duration("prefill") ?? timeouts.prefillUs;
  timeouts.stallUs = command.duration("stall") ?? timeouts.stallUs;
  timeouts.totalUs = command.duration("total") ?? timeouts.totalUs;
  timeouts.slowClientUs = command.duration("slow_client") ?? timeouts.slowClientUs;
  timeouts.drainUs = command.duration("drain") ?? timeouts.drainUs;
  heartbeats.staleUs = command.duration("stale") ?? heartbeats.staleUs;
  heartbeats.deadUs = command.duration("dead") ?? heartbeats.deadUs;
  config.packetTokens = command.number("packet_tokens") ?? config.packetTokens;
  config.gpuPacketUs = command.duration("gpu_packet") ?? config.gpuPacketUs;
  if (command.has("no_default_price")) config.defaultPrice = null;
  config.retriesMax = command.number("retries") ?? config.retriesMax;
  const { placement, queueing, tail, admission } = config.scheduling;
  const perSecond = command.number("rate");
  if (perSecond !== undefined) admission.rates = { m: { perSecond, burst: 1 } };
  queueing.batching = batching(command) ?? queueing.batching;
  const [band] = queueing.bands;
  queueing.bands =
    command
      .text("bands")
      ?.split(",")
      .map((name) => ({ ...band!, name, preempts: command.has("preempts") })) ?? queueing.bands;
  placement.profile = command.text("policy") ?? placement.profile;
  placement.splitTokensMin = command.number("split") ?? placement.splitTokensMin;
  if (command.has("migration")) tail.migration = true;
  const backoffUs = command.duration("backoff");
  if (backoffUs !== undefined) tail.backoff = { baseUs: backoffUs, maxUs: 8 * backoffUs };
  const failures = command.number("breaker");
  if (failures !== undefined) tail.breaker = { failures, successes: 2, openUs: seconds(10) };
  const shareMax = command.number("hedge_share");
  if (shareMax !== undefined) tail.hedge = { percentile: 0.5, shareMax, samplesMin: 1 };
}

/** Reads a line such as `remote cloud models=big slots=4 context=1000`. */
export function addRemote(config: CoreConfig, command: Command): void {
  config.remotes.push({
    name: command.subject,
    models: command.text("models")?.split(",") ?? ["m"],
    concurrencyMax: command.number("slots") ?? 2,
    gpus: command.number("gpus") ?? 0,
    contextTokens: command.number("context") ?? 100,
    labels: {},
  });
}

/** Turns input lines into events. It remembers what each worker last said of itself. */
export class EventReader {
  readonly #reports = new Map<string, HeartbeatReceived>();

  /** One line can mean several events: `request r1..r3` is three clients at once. */
  read(command: Command, nowUs: Micros): SupervisorEvent[] {
    const { subject } = command;
    switch (command.verb) {
      case "worker":
        return [this.#report(heartbeat(subject, nowUs), command, nowUs)];
      case "heartbeat":
        return [this.#report(this.#lastReport(subject), command, nowUs)];
      case "left":
        return [
          {
            kind: "worker_left",
            worker: subject,
            epoch: command.text("epoch") ?? null,
            reason: command.text("reason") ?? "said good-bye",
          },
        ];
      case "request":
        return requests(command);
      case "started": {
        const promptTokens = command.number("prompt") ?? 5;
        const cachedTokens = command.number("cached") ?? 0;
        return [{ kind: "attempt_started", attempt: subject, promptTokens, cachedTokens }];
      }
      case "output": {
        const tokensMax = command.number("at_most");
        const choice = command.number("choice") ?? 0;
        const tokens = command.number("tokens") ?? 1;
        const output = { kind: "attempt_output", attempt: subject, choice, tokens } as const;
        return [tokensMax === undefined ? output : { ...output, tokensMax }];
      }
      case "choice_finished":
        return [
          {
            kind: "choice_finished",
            attempt: subject,
            choice: command.number("choice") ?? 0,
            finishReason: command.text("reason") ?? "stop",
          },
        ];
      case "finished":
        return [finished(command)];
      case "parked":
        return [{ kind: "attempt_parked", attempt: subject, hasState: !command.has("no_state") }];
      case "failed": {
        const reason = (command.text("reason") ?? "endpoint_error") as FailureReason;
        const message = command.text("message") ?? "It broke.";
        return [{ kind: "attempt_failed", attempt: subject, reason, message }];
      }
      case "gone":
        return [{ kind: "client_gone", request: subject }];
      case "blocked":
        return [{ kind: "client_blocked", request: subject }];
      case "unblocked":
        return [{ kind: "client_drained", request: subject }];
      case "receipt": {
        const usage = {
          promptTokens: command.number("prompt") ?? 5,
          cachedTokens: 0,
          completionTokens: command.number("completion") ?? 1,
        };
        const model = command.text("model") ?? "m";
        const continuedFrom = command.number("from") ?? 0;
        const isParked = command.has("parked");
        const ranUs = command.duration("ran");
        const ran = ranUs === undefined ? {} : { ranUs };
        const receipt = { attempt: subject, model, usage, continuedFrom, isParked, ...ran };
        return [{ kind: "receipts_read", worker: "a", receipts: [receipt] }];
      }
      case "limit":
        return [{ kind: "limits_changed", limits: [limit(command)], known: NOTHING_KNOWN }];
      case "open":
      case "show_slice":
      case "close":
        return [sliceAsked(command)];
      case "slice_coming":
        return [{ kind: "slice_coming", opening: command.number("opening") ?? 1, account: subject }];
      case "slice_settled":
        return [sliceSettled(command, nowUs)];
      case "slice_closing":
        return [{ kind: "slice_closing", closing: command.number("closing") ?? 1, account: subject }];
      case "slice_told": {
        const account = command.text("account") ?? "global/local/agent";
        return [{ kind: "slice_told", ask: subject, slice: closedView(account), error: null }];
      }
      case "restored":
        return [{ kind: "ledger_restored", state: restoredState(command), limits: [] }];
      case "replica":
        return [{ kind: "ledger_restored", state: EMPTY_LEDGER, limits: [limit(command)], isReplica: true }];
      case "lease":
        return [leaseAnswered(command)];
      case "recall": {
        const { account, unit, window } = limit(command);
        return [{ kind: "lease_recalled", account, unit, window, startUs: 0, recall: 1 }];
      }
      case "turn": {
        const waitUs = command.duration("wait");
        const shortage = waitUs === undefined ? null : { whose: command.text("whose") ?? null, waitUs };
        return [{ kind: "turn_given", request: subject, shortage }];
      }
      case "touched":
        return [{ kind: "ledger_touched", sentUs: command.duration("sent") ?? 0, ledgerUs: 0 }];
      case "doubts": {
        const { account, id: hold, model, charge } = restoredState(command).holds[0]!;
        return [{ kind: "doubts_left", posts: [{ hold, account, model, heldAtUs: 0, charge, parts: null }] }];
      }
      case "durable":
        return [{ kind: "ledger_durable", through: Number(subject) }];
      case "policy":
        return [{ kind: "policy_set", scheduling: scheduling(command) }];
      case "drain":
        return [{ kind: "drain_asked" }];
      default:
        throw new Error(`A transcript knows no "${command.verb}".`);
    }
  }

  #lastReport(worker: string): HeartbeatReceived {
    const last = this.#reports.get(worker);
    if (last === undefined) throw new Error(`Introduce ${worker} with "worker" before its "heartbeat".`);
    return last;
  }

  /** `age` is the time between the worker's clock on the report and ours on reading it. */
  #report(last: HeartbeatReceived, command: Command, nowUs: Micros): HeartbeatReceived {
    const { report, receivedMs } = heartbeat(command.subject, nowUs);
    const [served] = last.models;
    const models = command.text("models")?.split(",") ?? last.models.map(({ model }) => model);
    const contextTokens = command.number("context") ?? served?.contextTokens ?? 100;
    const slots = command.number("slots") ?? served?.slots ?? 2;
    const modelHash = command.text("hash") ?? served?.modelHash ?? null;
    const stateFingerprint = command.text("state") ?? served?.stateFingerprint ?? null;
    const gpus = command.number("gpus") ?? served?.gpus;
    const kvBytesPerToken = command.number("kv_per_token") ?? served?.kvBytesPerToken ?? 1;
    const next: HeartbeatReceived = {
      ...last,
      report,
      receivedMs,
      timestampMs: receivedMs - (command.duration("age") ?? 0) / MICROS_PER_MILLI,
      dialect: (command.text("dialect") ?? last.dialect) as WorkerDialect,
      epoch: command.text("epoch") ?? last.epoch,
      draining: command.has("draining"),
      limits: {
        sessionsMax: command.number("sessions_max") ?? last.limits.sessionsMax,
        sessionKvBytesMax: command.number("session_kv_max") ?? last.limits.sessionKvBytesMax,
        kvBytesMax: command.number("kv_max") ?? last.limits.kvBytesMax,
      },
      models: models.map((model) => ({
        model,
        contextTokens,
        slots,
        kvBytesPerToken,
        modelHash,
        stateFingerprint,
        ...(gpus === undefined ? {} : { gpus }),
      })),
      role: (command.text("role") ?? last.role) as WorkerRole,
      progress: command.number("progress") ?? last.progress,
      sessions: command.number("sessions") ?? 0,
      ownSessions: command.number("own") ?? null,
      kvBytes: command.number("kv") ?? 0,
    };
    this.#reports.set(next.worker, next);
    return next;
  }
}

/** Reads a line such as `open global/local/k/a ask=1 nano=40 requests=2 ttl=60s`, `close …` or `show_slice …`. */
function sliceAsked(command: Command): SupervisorEvent {
  const asked = { kind: "slice_asked", ask: command.text("ask") ?? "1", account: command.subject } as const;
  if (command.verb !== "open") return { ...asked, action: command.verb === "close" ? "close" : "show" };
  const amounts = chargeOf({
    nanoUsd: command.number("nano") ?? 0,
    requests: command.number("requests") ?? 0,
    inputTokens: command.number("in") ?? 0,
    outputTokens: command.number("out") ?? 0,
  });
  const payer = command.text("payer") ?? "global/local";
  const ttlUs = command.duration("ttl") ?? null;
  return { ...asked, action: "open", payer, amounts, ttlUs, priority: command.text("priority") ?? null };
}

/** Reads a line such as `slice_settled global/local/agent opening=1 nano=40`; of nothing where it is refused. */
function sliceSettled(command: Command, atUs: Micros): SupervisorEvent {
  const opening = command.number("opening") ?? 1;
  const amounts = chargeOf({
    nanoUsd: command.number("nano") ?? 0,
    requests: command.number("requests") ?? 0,
  });
  if (isNothing(amounts)) return { kind: "slice_settled", opening, slice: null };
  const place = { account: command.subject, expiresUs: seconds(3_600) };
  const slice = { ...place, id: sliceId(place), amounts, atUs };
  return { kind: "slice_settled", opening, slice };
}

function requests(command: Command): SupervisorEvent[] {
  const base = requestArrived(command.subject);
  const account = command.text("account");
  const arrival = {
    ...base,
    tenant: command.text("tenant") ?? base.tenant,
    key: command.text("key") ?? base.key,
    ...(account === undefined ? {} : { account }),
    budgetWaitUs: command.duration("wait") ?? base.budgetWaitUs,
    model: command.text("model") ?? base.model,
    promptTokensMax: command.number("prompt_max") ?? base.promptTokensMax,
    bodyBytes: command.number("bytes") ?? base.bodyBytes,
    maxTokens: command.has("no_max_tokens") ? null : (command.number("max_tokens") ?? base.maxTokens),
    choices: command.number("n") ?? base.choices,
    streamed: command.has("streamed"),
    hints: { ...base.hints, priority: command.text("priority") ?? base.hints.priority },
  };
  const [, first, last] = /^r(\d+)\.\.r(\d+)$/.exec(command.subject) ?? [];
  if (first === undefined) return [arrival];
  const count = Number(last) - Number(first) + 1;
  return Array.from({ length: count }, (_, i) => ({ ...arrival, request: `r${Number(first) + i}` }));
}

/** Of limits that are set before anything has been used. */
const NOTHING_KNOWN: Known = { zones: [], used: [], through: 0 };
const WINDOWS = ["total", "minute", "hour", "day", "week", "month", "rolling:60"];

/**
 * Reads a line such as `limit global/local usd/day=100`, with a dash for an amount that is no limit any more; `stop=90`,
 * `hold=80:high` or `shorten=50:8` set a threshold.
 */
function limit(command: Command): LimitRow {
  const stop = command.number("stop");
  const [percent, priority] = command.text("hold")?.split(":") ?? [];
  const thresholds: Threshold[] = [];
  if (stop !== undefined) thresholds.push({ percent: stop, action: "stop", priority: null });
  if (priority !== undefined) {
    thresholds.push({ percent: Number(percent), action: "hold_low_priority", priority });
  }
  const [from, tokens] = command.text("shorten")?.split(":") ?? [];
  if (tokens !== undefined) {
    thresholds.push({ percent: Number(from), action: "shorten", priority: null, maxTokens: Number(tokens) });
  }
  for (const unit of LIMIT_UNITS) {
    for (const window of WINDOWS) {
      const amount = command.text(`${unit}/${window}`);
      if (amount === undefined) continue;
      return { account: command.subject, unit, window, amount: amount === "-" ? null : amount, thresholds };
    }
  }
  throw new Error("A limit needs a unit and a window, such as usd/day=100.");
}

/** Reads a line such as `restored r1/0:0 tenant=local nano=26`: what a process before this one has left open. */
function restoredState(command: Command): LedgerState {
  const account = `global/${command.text("tenant") ?? "local"}`;
  const charge = {
    nanoUsd: command.number("nano") ?? 0,
    inputTokens: command.number("in") ?? 10,
    cachedTokens: 0,
    outputTokens: command.number("out") ?? 8,
    reasoningTokens: 0,
    requests: 1,
    gpuUs: command.duration("gpu") ?? 0,
  };
  const atUs = command.duration("held_at") ?? 0;
  const hold = { id: command.subject, account, model: "m", parts: [{ atUs, charge }], charge };
  const place = placeOfSlice(hold.id);
  const account_ = place === null ? account : parentOf(place.account)!;
  const slice = { ...hold, account: account_, amounts: charge };
  return { ...EMPTY_LEDGER, sequence: 1, clockUs: atUs, holds: [place === null ? hold : slice] };
}

/** Reads `batching=fixed size=4`, where there is any. */
function batching(command: Command): PolicyChoice | null {
  const name = command.text("batching");
  if (name === undefined) return null;
  const size = command.number("size");
  const timeout = command.number("timeout");
  return {
    name,
    parameters: { ...(size === undefined ? {} : { size }), ...(timeout === undefined ? {} : { timeout }) },
  };
}

/** Reads a line such as `policy profile=random fairness=vtc`: from now on by other rules. */
function scheduling(command: Command): Partial<Scheduling> {
  const usual = schedulingOf("sessions-kv");
  const profile = command.text("profile");
  const fairness = command.text("fairness");
  return {
    ...(profile === undefined ? {} : { placement: { ...usual.placement, profile } }),
    ...(fairness === undefined
      ? {}
      : {
          queueing: {
            ...usual.queueing,
            fairness: { name: fairness, parameters: {} },
            batching: batching(command),
          },
        }),
  };
}

function finished(command: Command): SupervisorEvent {
  return {
    kind: "attempt_finished",
    attempt: command.subject,
    finishReason: command.text("reason") ?? "stop",
    usage: {
      promptTokens: command.number("prompt") ?? 5,
      cachedTokens: command.number("cached") ?? 0,
      completionTokens: command.number("completion") ?? 1,
    },
  };
}

/** Reads a line such as `lease 2 granted=26 posted=500 reserved=500`, or what is told of another limit as `news_posted=500`. */
function leaseAnswered(command: Command): SupervisorEvent {
  const granted = command.text("granted") ?? "0";
  const reserved = command.text("reserved") ?? "0";
  // What is leased and not granted by this answer is held, if nothing else is said.
  const unheld = BigInt(reserved) - BigInt(granted);
  const grant = {
    granted,
    posted: command.text("posted") ?? "0",
    held: command.text("held") ?? `${unheld > 0n ? unheld : 0n}`,
    reserved,
    taken: command.text("taken") ?? "0",
    isAll: command.has("all"),
  };
  const held = command.text("news_held") ?? "0";
  const taken = command.text("news_taken") ?? "0";
  const told = { posted: command.text("news_posted") ?? "0", held, reserved: held, taken };
  return { kind: "lease_answered", ask: Number(command.subject), grants: [grant], news: [told], ledgerUs: 0 };
}
