import { Queue, queueLimits } from "../../../src/core/queueing/queue.ts";
import { NO_HINTS } from "../../../src/core/events.ts";
import type { Packet } from "../../../src/core/request.ts";
import type { Micros } from "../../../src/core/units.ts";
import { CoreFleet } from "./core-fleet.ts";
import type { Desk, Job } from "./job.ts";

const WORKERS_MAX = 8;
const MODEL = "station";
const SMALL = { bodyBytes: 1, hints: NO_HINTS };

/** The core's queue in front of the core's placement: classes are bands, servers are slots of a few workers. */
export class CoreDesk implements Desk {
  readonly #fleet: CoreFleet;
  readonly #queue: Queue;
  readonly #bands: readonly string[];
  readonly #jobs = new Map<Packet, Job>();

  /** Where room is limited there has to be some for waiting. */
  constructor(options: { servers: number; kinds: number; room: number; seed: number }) {
    const { servers, kinds, room, seed } = options;
    const workers = Math.min(servers, WORKERS_MAX);
    this.#fleet = new CoreFleet({
      profile: "least-request",
      models: [MODEL],
      workers,
      slots: servers / workers,
      seed,
    });
    const { config } = this.#fleet;
    const usual = config.scheduling.queueing.bands[0]!;
    this.#bands = Array.from({ length: kinds }, (_, kind) => `band-${kind}`);
    const bands = this.#bands.map((name) => ({ ...usual, name }));
    this.#queue = new Queue(
      { ...config.scheduling.queueing, bands },
      {
        ...queueLimits(config),
        packetsMax: room - servers,
      },
    );
  }

  isFull(): boolean {
    return !this.#queue.hasRoom(SMALL);
  }

  add(job: Job, nowUs: Micros): void {
    const packet = this.#fleet.packet({ model: MODEL, band: this.#bands[job.kind]!, nowUs });
    job.packet = packet;
    this.#jobs.set(packet, job);
    this.#queue.add(packet, nowUs);
  }

  next(nowUs: Micros): Job | null {
    for (const packet of this.#queue.inOrder(MODEL, nowUs)) {
      if (this.#fleet.dispatch(packet, nowUs) === null) return null;
      this.#queue.remove(packet, nowUs);
      this.#queue.dispatched(packet, nowUs);
      return this.#jobs.get(packet)!;
    }
    return null;
  }

  done({ packet }: Job, nowUs: Micros): void {
    this.#jobs.delete(packet!);
    this.#fleet.release(packet!, nowUs);
    this.#queue.ended(packet!, nowUs);
  }
}
