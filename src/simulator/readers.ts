import type { SupervisorEvent } from "../core/events.ts";
import type { Random } from "../core/random.ts";
import { type Micros, MICROS_PER_MILLI } from "../core/units.ts";
import type { VirtualEndpoints } from "./endpoints.ts";
import type { FaultPlan } from "./faults.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** Tokens that wait for a reader before its connection counts as blocked. */
const SEND_BUFFER_TOKENS = 16;

/** A supervisor as clients see it. */
export interface Service {
  endpoints: VirtualEndpoints;
  submit: (event: SupervisorEvent) => void;
}

interface Reader {
  /** The supervisor that it is connected to. */
  service: Service;
  /** Time to read one token; Infinity for readers that have stopped. */
  readUs: Micros;
  unreadTokens: number;
  isBlocked: boolean;
}

/** Those among the clients that read more slowly than tokens come, or not at all. */
export class Readers {
  readonly #time: VirtualTime;
  readonly #faults: FaultPlan;
  readonly #random: Random;
  readonly #slow = new Map<string, Reader>();

  constructor(options: { time: VirtualTime; faults: FaultPlan; random: Random }) {
    this.#time = options.time;
    this.#faults = options.faults;
    this.#random = options.random;
  }

  /** Draws how a client will read the answer to its streamed request. */
  add(request: string, service: Service): void {
    const readUs = this.#drawReadUs();
    if (readUs > 0) this.#slow.set(request, { service, readUs, unreadTokens: 0, isBlocked: false });
  }

  /** The client is given tokens. */
  give(request: string, tokens: number): void {
    const reader = this.#slow.get(request);
    if (reader === undefined) return;
    const isReading = reader.unreadTokens > 0;
    reader.unreadTokens += tokens;
    if (!isReading) this.#read(request, reader);
    if (reader.unreadTokens <= SEND_BUFFER_TOKENS || reader.isBlocked) return;
    reader.isBlocked = true;
    reader.service.endpoints.pause(request);
    reader.service.submit({ kind: "client_blocked", request });
  }

  forget(request: string): void {
    this.#slow.delete(request);
  }

  #drawReadUs(): Micros {
    if (this.#faults.strikes("stuck_client", 0.05)) return Infinity;
    if (this.#faults.strikes("slow_client", 0.1)) return this.#random.between(5, 200) * MICROS_PER_MILLI;
    return 0;
  }

  /** Reads one token after the other until nothing is left to read. */
  #read(request: string, reader: Reader): void {
    if (reader.readUs === Infinity) return;
    this.#time.after(reader.readUs, () => {
      reader.unreadTokens--;
      if (reader.unreadTokens > 0) return this.#read(request, reader);
      if (!reader.isBlocked || this.#slow.get(request) !== reader) return;
      reader.isBlocked = false;
      reader.service.submit({ kind: "client_drained", request });
      reader.service.endpoints.resume(request);
    });
  }
}
