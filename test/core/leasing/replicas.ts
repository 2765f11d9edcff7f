import assert from "node:assert/strict";
import { EMPTY_LEDGER } from "../../../src/core/budget/accounts.ts";
import { type Asked, Budget, type Shortage } from "../../../src/core/budget/budget.ts";
import { type Charge, NOTHING } from "../../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../../src/core/budget/ledger-entry.ts";
import type { LimitRow } from "../../../src/core/budget/limits.ts";
import type { SupervisorEvent } from "../../../src/core/events.ts";
import type { LeaseOrder } from "../../../src/core/leasing/lease.ts";
import { LeaseDesk } from "../../../src/core/leasing/lease-desk.ts";
import type { Micros } from "../../../src/core/units.ts";

/** What a replica has sent and the desk has not read yet, or the other way round. */
interface Channel {
  toDesk: (LedgerEntry | LeaseOrder)[];
  toReplica: SupervisorEvent[];
}

interface Replica {
  name: string;
  budget: Budget;
  channel: Channel;
  /** By this much its clock is ahead. */
  aheadUs: Micros;
  open: string[];
}

/** Budgets of several supervisors, one desk, and messages between them that are read when somebody says so. */
export class Replicas {
  readonly desk: LeaseDesk;
  readonly journal: LedgerEntry[] = [];
  readonly limits: LimitRow[];
  replicas: Replica[] = [];
  nowUs: Micros;
  #lives = 0;
  #holds = 0;

  constructor(limits: LimitRow[], { nowUs }: { nowUs: Micros }) {
    this.nowUs = nowUs;
    this.limits = limits;
    this.desk = new LeaseDesk({
      state: EMPTY_LEDGER,
      limits,
      tell: (name, event) => this.replicas.find((each) => each.name === name)?.channel.toReplica.push(event),
    });
    this.journal.push(...this.desk.begin(nowUs));
  }

  start(aheadUs: Micros): Replica {
    const name = `r${++this.#lives}`;
    const { state, limits } = this.desk.join(name, this.nowUs);
    const budget = new Budget(state, undefined, { isReplica: true });
    budget.begin(limits, { zones: state.zones, used: [], through: 0 });
    const replica: Replica = { name, budget, aheadUs, channel: { toDesk: [], toReplica: [] }, open: [] };
    this.replicas.push(replica);
    return replica;
  }

  /** Whatever it has sent and nobody has read is lost. */
  kill(replica: Replica): void {
    this.replicas = this.replicas.filter((other) => other !== replica);
    this.journal.push(...this.desk.leave(replica.name, this.nowUs));
  }

  /** What it would do for a request: a hold, a refusal, or word that it has asked. */
  reserve(replica: Replica, account: string, charge: Charge): "held" | "asked" | Shortage {
    const atUs = this.nowUs + replica.aheadUs;
    const asked: Asked = { account, priority: null, charge };
    const id = `h${++this.#holds}`;
    const result = replica.budget.reserve({ id, model: "m" }, asked, atUs);
    if (!("limit" in result)) {
      replica.open.push(id);
      this.#send(replica, result);
      return "held";
    }
    const asking = replica.budget.ask(asked, charge, atUs);
    this.#send(replica);
    return asking === null ? result : "asked";
  }

  close(replica: Replica, index: number, how: { used: Charge } | "void" | "doubt"): void {
    const [id] = replica.open.splice(index % replica.open.length, 1);
    const atUs = this.nowUs + replica.aheadUs;
    if (how === "void") return this.#send(replica, replica.budget.void(id!, atUs));
    if (how === "doubt") return this.#send(replica, replica.budget.postInDoubt(id!, atUs));
    this.#send(replica, replica.budget.post(id!, how.used, atUs));
  }

  setLimits(rows: LimitRow[]): void {
    this.desk.setLimits(rows, { zones: [], used: [], through: this.journal.length });
  }

  /** The desk reads so much of what that one has sent. */
  read({ name, channel }: Replica, count = Infinity): void {
    for (const item of channel.toDesk.splice(0, count)) {
      if ("kind" in item) this.desk.order(name, item, this.nowUs);
      else {
        const entry = this.desk.append(name, item);
        if (entry !== null) this.journal.push(entry);
      }
    }
  }

  /** The replica hears so much of what the desk has told it. */
  hear(replica: Replica, count = Infinity): void {
    const { budget, channel } = replica;
    const atUs = this.nowUs + replica.aheadUs;
    for (const event of channel.toReplica.splice(0, count)) {
      if (event.kind === "lease_answered") budget.answered(event, atUs);
      else if (event.kind === "lease_recalled") budget.recalled(event, atUs);
      else if (event.kind === "limits_changed") budget.setLimits(event.limits, event.known);
      else if (event.kind === "doubts_left") budget.doubt(event.posts);
      else assert.fail(event.kind);
      this.#send(replica);
    }
  }

  /** Everything that is under way arrives, until nothing more is. */
  settle(): void {
    for (let rounds = 0; this.replicas.some(({ channel: c }) => c.toDesk.length + c.toReplica.length > 0);) {
      assert.ok(++rounds < 1_000, "messages come to an end");
      for (const replica of this.replicas) {
        this.read(replica);
        this.hear(replica);
      }
    }
  }

  /** Tries until it is held or refused, as a request would. */
  reserveAtLast(replica: Replica, account: string, charge: Charge): "held" | Shortage {
    for (let tries = 0; tries < 10; tries++) {
      const result = this.reserve(replica, account, charge);
      if (result !== "asked") return result;
      this.settle();
    }
    assert.fail("an ask is answered");
  }

  #send({ budget, channel }: Replica, entry?: LedgerEntry): void {
    if (entry !== undefined) channel.toDesk.push(entry);
    channel.toDesk.push(...budget.takeOrders());
  }
}

/** As many requests, tokens or nano-USD. */
export function chargeOf(nanoUsd: number): Charge {
  return { ...NOTHING, nanoUsd, outputTokens: nanoUsd, requests: 1, gpuUs: 3 * nanoUsd };
}
