import type { CoreConfig } from "../core/config.ts";
import type { Effect } from "../core/effects.ts";
import type { SupervisorEvent } from "../core/events.ts";
import type { Inspection } from "../core/inspection.ts";
import { Supervisor } from "../core/supervisor.ts";
import type { Micros } from "../core/units.ts";
import type { Ports } from "./ports.ts";

/** What ports are given to answer with. */
export type Submit = (event: SupervisorEvent) => void;

export interface Loop {
  submit: Submit;
  inspect(): Inspection;
}

/**
 * Events in, effects out. An event submitted while another is being worked on, as ports do
 * that answer at once, waits until that one's effects are carried out, so the order of events
 * is the order in which they were submitted.
 */
export function createLoop(config: CoreConfig, createPorts: (submit: Submit) => Ports): Loop {
  const supervisor = new Supervisor(config);
  const waiting: SupervisorEvent[] = [];
  let isRunning = false;
  let lastUs: Micros = 0;

  const submit: Submit = (event) => {
    waiting.push(event);
    if (isRunning) return;
    isRunning = true;
    try {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) step(next);
    } finally {
      isRunning = false;
    }
  };

  const step = (event: SupervisorEvent): void => {
    lastUs = Math.max(lastUs, ports.timer.nowUs());
    ports.observer.event(lastUs, event);
    const effects = supervisor.handle(lastUs, event);
    ports.observer.effects(effects);
    for (const effect of effects) carryOut(ports, effect);
  };

  const ports = createPorts(submit);
  return { submit, inspect: () => supervisor.inspect() };
}

function carryOut(ports: Ports, effect: Effect): void {
  switch (effect.kind) {
    case "append_ledger":
      return ports.ledger.append(effect);
    case "order_lease":
      return ports.ledger.order(effect);
    case "dispatch":
      return ports.endpoints.dispatch(effect);
    case "grant_credit":
      return ports.endpoints.grantCredit(effect);
    case "park_attempt":
      return ports.endpoints.park(effect);
    case "free_state":
      return ports.endpoints.freeState(effect);
    case "cancel_attempt":
      return ports.endpoints.cancel(effect);
    case "ask_receipts":
      return ports.endpoints.askReceipts(effect);
    case "answer_slice":
      return ports.clients.answerSlice(effect);
    case "budget_told":
      return ports.clients.tellBudgets(effect);
    case "relay":
      return ports.clients.relay(effect);
    case "finish_answer":
      return ports.clients.finishAnswer(effect);
    case "finish_request":
      return ports.clients.finish(effect);
    case "fail_request":
      return ports.clients.fail(effect);
    case "drop_client":
      return ports.clients.drop(effect);
    case "answer_heartbeat":
      return ports.workers.answerHeartbeat(effect);
    case "worker_changed":
      return ports.observer.workerChanged(effect);
    case "request_settled":
      return ports.observer.settled(effect);
    case "wake":
      return ports.timer.wake(effect.atUs);
    case "drained":
      return ports.observer.drained();
    case "lease_lost":
      return ports.observer.leaseLost();
  }
}
