import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { Budget } from "../../src/core/budget/budget.ts";
import type { Shortage } from "../../src/core/budget/shortage.ts";
import type { Charge } from "../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import type { SupervisorEvent } from "../../src/core/events.ts";
import { MICROS_PER_MILLI, type Micros } from "../../src/core/units.ts";
import type { Ledger } from "../../src/ledger/ledger.ts";
import type { Channel, KeeperMessage, ReplicaMessage } from "../../src/ledger/shared/messages.ts";
import { openReplicaLedger } from "../../src/ledger/shared/replica-ledger.ts";
import type { SharedLedger } from "../../src/ledger/shared/shared-ledger.ts";
import type { LedgerPort } from "../../src/supervisor/ports.ts";

const POLL_MS = 5;

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(POLL_MS);
}

export const nowUs = (): Micros => Date.now() * MICROS_PER_MILLI;

/** Two ends of a line between processes: what is sent arrives as a copy, in order, in a later turn; nothing once it is cut. */
export class Line {
  #isCut = false;
  readonly atKeeper: Channel<KeeperMessage, ReplicaMessage>;
  readonly atReplica: Channel<ReplicaMessage, KeeperMessage>;

  constructor() {
    let toKeeper: ((message: ReplicaMessage) => void) | null = null;
    let toReplica: ((message: KeeperMessage) => void) | null = null;
    this.atKeeper = {
      send: (message) => this.#carry(message, (copy) => toReplica?.(copy)),
      onMessage: (callback) => void (toKeeper = callback),
    };
    this.atReplica = {
      send: (message) => this.#carry(message, (copy) => toKeeper?.(copy)),
      onMessage: (callback) => void (toReplica = callback),
    };
  }

  cut(): void {
    this.#isCut = true;
  }

  #carry<T>(message: T, deliver: (copy: T) => void): void {
    const copy = structuredClone(message);
    setImmediate(() => {
      if (!this.#isCut) deliver(copy);
    });
  }
}

/** The budget of a replica on a ledger of its own process, without a supervisor around it. */
export class TestReplica {
  readonly name: string;
  readonly ledger: Ledger;
  readonly budget: Budget;
  readonly events: SupervisorEvent[] = [];
  readonly line: Line;
  readonly #port: LedgerPort;

  private constructor(name: string, line: Line, ledger: Ledger) {
    this.name = name;
    this.line = line;
    this.ledger = ledger;
    const { state, limits, slices = null } = ledger.restore();
    this.budget = new Budget(state, undefined, { replica: slices });
    this.budget.begin(limits, { zones: state.zones, used: [], through: state.sequence });
    this.#port = ledger.connect((event) => this.#take(event));
  }

  static async join(
    keeper: SharedLedger,
    name: string,
    options: { stateFolder: string; closeMsMax: number },
  ): Promise<TestReplica> {
    const line = new Line();
    const opening = openReplicaLedger({
      ...options,
      channel: line.atReplica,
      log: pino({ level: "silent" }),
    });
    keeper.join(name, line.atKeeper);
    return new TestReplica(name, line, await opening);
  }

  /** The last of its entries that it was told is durable; 0 for none. */
  get durable(): number {
    const told = this.events.findLast((event) => event.kind === "ledger_durable");
    return told?.through ?? 0;
  }

  /** Asks for leases until the charge is held, or refused for good. */
  async reserve(id: string, account: string, charge: Charge): Promise<LedgerEntry | Shortage> {
    const asked = { account, priority: null, charge };
    for (;;) {
      const result = this.budget.reserve({ id, model: "m" }, asked, nowUs());
      if (!("limit" in result)) {
        this.#send(result);
        return result;
      }
      const asking = this.budget.ask(asked, charge, nowUs());
      this.#send();
      if (asking === null) return result;
      await sleep(1);
    }
  }

  /** As a request that waits for its budget. */
  async hold(id: string, account: string, charge: Charge): Promise<void> {
    while ("limit" in (await this.reserve(id, account, charge))) await sleep(POLL_MS);
  }

  post(id: string, charge: Charge): void {
    this.#send(this.budget.post(id, charge, nowUs()));
  }

  adjust(id: string, charge: Charge): void {
    this.#send(this.budget.adjust(id, charge, nowUs())!);
  }

  /** As the end of a process: nothing of it arrives any more. Returns how the ledger at its end takes that. */
  async kill(keeper: SharedLedger): Promise<unknown> {
    this.line.cut();
    keeper.leave(this.name);
    return this.ledger.close().catch((error: unknown) => error);
  }

  /** As a process that stops in order. */
  async leave(keeper: SharedLedger): Promise<void> {
    await this.ledger.close();
    this.line.cut();
    keeper.leave(this.name);
  }

  #take(event: SupervisorEvent): void {
    this.events.push(event);
    if (event.kind === "lease_answered") this.budget.answered(event, nowUs());
    if (event.kind === "lease_recalled") this.budget.recalled(event, nowUs());
    if (event.kind === "limits_changed") this.budget.setLimits(event.limits, event.known);
    if (event.kind === "ledger_durable") this.budget.durable(event.through);
    if (event.kind === "doubts_left") this.budget.doubt(event.posts);
    this.#send();
  }

  #send(entry?: LedgerEntry): void {
    if (entry !== undefined) this.#port.append({ kind: "append_ledger", entry });
    for (const order of this.budget.takeOrders()) this.#port.order({ kind: "order_lease", order });
  }
}
