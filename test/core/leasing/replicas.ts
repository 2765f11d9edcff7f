import assert from "node:assert/strict";
import { EMPTY_LEDGER } from "../../../src/core/budget/accounts.ts";
import { type Asked, Budget } from "../../../src/core/budget/budget.ts";
import type { Shortage } from "../../../src/core/budget/shortage.ts";
import { type Charge, NOTHING } from "../../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../../src/core/budget/ledger-entry.ts";
import type { LimitRow } from "../../../src/core/budget/limits.ts";
import type { SliceAsked, SliceTold, SupervisorEvent } from "../../../src/core/events.ts";
import type { SliceQuestion } from "../../../src/gateway/slice-questions.ts";
import type { LeaseOrder } from "../../../src/core/leasing/lease.ts";
import { LeaseDesk } from "../../../src/core/leasing/lease-desk.ts";
import { type Micros, seconds } from "../../../src/core/units.ts";

/** What a replica has sent and the desk has not read yet, or the other way round. */
interface Channel {
  toDesk: (LedgerEntry | LeaseOrder)[];
  toReplica: SupervisorEvent[];
}

export interface Replica {
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
  /** Answers about slices, by ask. */
  readonly told = new Map<string, SliceTold>();
  replicas: Replica[] = [];
  nowUs: Micros;
  #lives = 0;
  #holds = 0;
  #asks = 0;

  /** `clockUs` is how far the ledger's clock is at the start; `openMax` how many slices there may be. */
  constructor(
    limits: LimitRow[],
    { nowUs, clockUs = 0, openMax = 20 }: { nowUs: Micros; clockUs?: Micros; openMax?: number },
  ) {
    this.nowUs = nowUs;
    this.limits = limits;
    this.desk = new LeaseDesk({
      state: { ...EMPTY_LEDGER, clockUs },
      limits,
      slices: { openMax, perPayerMax: openMax, depthMax: 3, ttlMaxUs: seconds(1_000) },
      tell: (name, event) => this.replicas.find((each) => each.name === name)?.channel.toReplica.push(event),
    });
    this.desk.begin(nowUs);
    this.#write();
  }

  /** What the desk has to write is durable at once. */
  #write(): void {
    const entries = this.desk.takeEntries();
    this.journal.push(...entries);
    if (entries.length > 0) this.desk.durable(this.journal.length);
  }

  /** Lets so much time go by. Returns when the desk wants to be called again. */
  wait(us: Micros): Micros | null {
    this.nowUs += us;
    const dueUs = this.desk.tick(this.nowUs);
    this.#write();
    return dueUs;
  }

  start(aheadUs: Micros): Replica {
    const name = `r${++this.#lives}`;
    const { state, limits, slices } = this.desk.join(name, this.nowUs);
    const budget = new Budget(state, undefined, { replica: slices! });
    budget.begin(limits, { zones: state.zones, used: [], through: 0 });
    const replica: Replica = { name, budget, aheadUs, channel: { toDesk: [], toReplica: [] }, open: [] };
    this.replicas.push(replica);
    return replica;
  }

  /** Whatever it has sent and nobody has read is lost. */
  kill(replica: Replica): void {
    this.replicas = this.replicas.filter((other) => other !== replica);
    this.desk.leave(replica.name, this.nowUs);
    this.#write();
  }

  /** What it would do about a slice that somebody asks about: its answer is in `told` at some time. */
  askSlice(replica: Replica, question: SliceQuestion): string {
    const ask = `q${++this.#asks}`;
    const asked: SliceAsked = { kind: "slice_asked", ask, ...question };
    replica.channel.toDesk.push({ kind: "slice", asked, bands: [], usualBand: 0 });
    return ask;
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

  /** A longer hold, or word that it has asked. */
  extend(replica: Replica, index: number, charge: Charge): "held" | "asked" | Shortage {
    const id = replica.open[index % Math.max(1, replica.open.length)];
    if (id === undefined) return "asked";
    const { budget } = replica;
    const atUs = this.nowUs + replica.aheadUs;
    const result = budget.extend(id, { priority: null, charge }, atUs);
    if (!("limit" in result)) {
      this.#send(replica, result);
      return "held";
    }
    const { account } = [...budget.holds].find((hold) => hold.id === id)!;
    const asking = budget.ask({ account, priority: null, charge }, charge, atUs);
    this.#send(replica);
    return asking === null ? result : "asked";
  }

  /** Ends a hold: freed, in doubt, or with so much of it used. */
  end(
    replica: Replica,
    index: number,
    { how, percent }: { how: "void" | "doubt" | "post"; percent: number },
  ): void {
    if (replica.open.length === 0) return;
    if (how !== "post") return this.close(replica, index, how);
    const id = replica.open[index % replica.open.length];
    const { charge } = [...replica.budget.holds].find((hold) => hold.id === id)!;
    const part = (of: number): number => Math.floor((of * percent) / 100);
    const { nanoUsd, inputTokens, outputTokens, requests } = charge;
    const used = { nanoUsd: part(nanoUsd), inputTokens: part(inputTokens), outputTokens: part(outputTokens) };
    this.close(replica, index, { used: { ...NOTHING, ...used, requests: part(requests) } });
  }

  setLimits(rows: LimitRow[]): void {
    this.desk.setLimits(rows, { zones: [], used: [], through: this.journal.length });
  }

  /** The desk reads so much of what that one has sent. */
  read({ name, channel }: Replica, count = Infinity): void {
    for (const item of channel.toDesk.splice(0, count)) {
      if ("kind" in item) this.desk.order(name, item, this.nowUs);
      else this.desk.append(name, item);
      this.#write();
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
      else if (event.kind === "slice_coming") budget.sliceComing(event);
      else if (event.kind === "slice_settled") budget.sliceSettled(event);
      else if (event.kind === "slice_closing") budget.sliceClosing(event);
      else if (event.kind === "slice_told") this.told.set(event.ask, event);
      else if (event.kind === "ledger_durable") continue;
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
