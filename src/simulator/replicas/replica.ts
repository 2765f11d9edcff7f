import type { SupervisorEvent } from "../../core/events.ts";
import { LEASE_TTL_US, type LeaseOrder } from "../../core/leasing/lease.ts";
import type { KeeperMessage, ReplicaMessage } from "../../ledger/shared/messages.ts";
import { RemoteLedger } from "../../ledger/shared/remote-ledger.ts";
import type { ObserverPort } from "../../supervisor/ports.ts";
import type { VirtualClock } from "../clock.ts";
import { Life, type Surroundings } from "../life.ts";
import type { VirtualProcess } from "../process.ts";
import { Line, type LineParts } from "./line.ts";
import type { KeeperLife } from "./keeper-life.ts";

/** So often it says that it is there. */
const TOUCH_US = LEASE_TTL_US / 10;

/** What it may be killed after it has sent, or before it has heard. */
const ASKS: ReadonlySet<LeaseOrder["kind"]> = new Set([
  "ask",
  "slice",
  "slice_awaited",
  "slice_left",
] as const);
const ANSWERS: ReadonlySet<SupervisorEvent["kind"]> = new Set([
  "lease_answered",
  "slice_coming",
  "slice_settled",
  "slice_told",
] as const);

export interface ReplicaIdentity {
  /** No other life of a replica has it. */
  name: string;
  /** Its number among all lives. */
  number: number;
  /** Which of the supervisors it is: the next one in this place takes over from it. */
  place: number;
  process: VirtualProcess;
  clock: VirtualClock;
  observer: ObserverPort;
}

/**
 * One life of one of several supervisors: loop, core and remote ledger of production, and its connection to the
 * process that keeps the ledger.
 *
 * ```
 *   joining ──first message──▶ ready ──killed, lease lost, connection closed──▶ over
 * ```
 */
export class Replica {
  readonly name: string;
  readonly place: number;
  readonly life: Life;
  readonly process: VirtualProcess;
  readonly #keeper: KeeperLife;
  readonly #up: Line;
  readonly #down: Line;
  #ledger!: RemoteLedger;
  #onReady: () => void;
  isReady = false;
  isDrained = false;

  constructor(
    { name, place, ...identity }: ReplicaIdentity,
    parts: { surroundings: Surroundings; keeper: KeeperLife; line: LineParts; onReady: () => void },
  ) {
    const { process, clock } = identity;
    this.name = name;
    this.place = place;
    this.process = process;
    this.#keeper = parts.keeper;
    this.#onReady = parts.onReady;
    this.#up = new Line(parts.line);
    this.#down = new Line(parts.line);
    this.life = new Life(
      {
        ...identity,
        openLedger: (submit) => {
          return (this.#ledger = new RemoteLedger({
            submit,
            send: (message) => this.#send(message),
            defer: (callback) => void process.after(0, callback),
            nowUs: () => clock.nowUs,
          }));
        },
      },
      parts.surroundings,
    );
  }

  /** Entries that it does not know to be durable. */
  get pending(): number {
    return this.#ledger.pending;
  }

  /** Whoever keeps the ledger is told that there is another replica. */
  join(): void {
    this.#keeper.join(this.name, (message) => this.#hear(message));
  }

  /** Nothing that it says arrives for so long. */
  silence(durationUs: number): void {
    this.#up.cutOff(durationUs);
  }

  /** Nothing that it is told arrives for so long. */
  deafen(durationUs: number): void {
    this.#down.cutOff(durationUs);
  }

  /** Its end of the connection is gone: the other end sees that behind what had been sent. */
  broken(): void {
    this.#down.loseAll();
    this.#up.loseSome();
    this.#up.send(() => this.#keeper.leave(this.name));
  }

  /** The other end of the connection is gone. */
  close(): void {
    this.#down.send(() => this.process.kill());
  }

  #send(message: ReplicaMessage): void {
    this.#up.send(() => this.#keeper.receive(this.name, message));
    const asks =
      message.kind === "ledger" && message.items.some((item) => "kind" in item && ASKS.has(item.kind));
    if (asks) this.process.pass("crash_after_ask");
  }

  #hear(message: KeeperMessage): void {
    const isAnswer = message.kind === "events" && message.events.some(({ kind }) => ANSWERS.has(kind));
    if (isAnswer && this.process.isTrapped("crash_before_answer")) {
      this.process.after(0, () => this.process.kill());
    }
    this.#down.send(() => this.process.run(() => this.#receive(message)));
  }

  #receive(message: KeeperMessage): void {
    if (message.kind !== "events") return;
    this.#ledger.receive(message.events);
    if (this.isReady) return;
    this.isReady = true;
    this.#keepTouching();
    this.#onReady();
  }

  #keepTouching(): void {
    this.#ledger.touch();
    this.process.after(TOUCH_US, () => this.#keepTouching());
  }
}
