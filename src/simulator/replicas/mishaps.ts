import type { Random } from "../../core/random.ts";
import { type Micros, seconds } from "../../core/units.ts";
import type { Fault, FaultPlan } from "../faults.ts";
import { CRASH_POINTS, type CrashPoint } from "../process.ts";
import type { VirtualTime } from "../virtual-time.ts";
import type { WorldParts } from "../world.ts";
import type { KeeperLife } from "./keeper-life.ts";
import type { Replica } from "./replica.ts";

/** Where one of several supervisors can be killed. */
const REPLICA_POINTS: readonly CrashPoint[] = [
  "crash_between_effects",
  "crash_after_ask",
  "crash_before_answer",
];

const PARTITIONS = ["keeper_partition", "keeper_deaf", "keeper_mute"] as const satisfies Fault[];

/** How long those last: below what a lease does, around it, and above. */
const PARTITIONED_S = [0.3, 3, 8.5, 11, 25];

const CRASHES_MAX = 6;
const PARTITIONS_MAX = 4;

/** What befalls supervisors that share a ledger, and the machine that keeps it. */
export class Mishaps {
  readonly #time: VirtualTime;
  readonly #faults: FaultPlan;
  readonly #random: Random;
  readonly #replicas: () => readonly (Replica | null)[];
  readonly #keeper: () => KeeperLife | null;

  constructor(
    options: WorldParts & { replicas: () => readonly (Replica | null)[]; keeper: () => KeeperLife | null },
  ) {
    this.#time = options.time;
    this.#faults = options.faults;
    this.#random = options.random;
    this.#replicas = options.replicas;
    this.#keeper = options.keeper;
  }

  /** Draws what will happen, and when, while the load lasts. */
  arrange(spanUs: Micros): void {
    for (let count = this.#random.between(0, CRASHES_MAX); count > 0; count--) {
      const happen = this.#random.pick([
        () => this.#setReplicaTrap(),
        () => this.#setReplicaTrap(),
        () => this.#killReplica(),
        () => this.#setMachineTrap(),
        () => this.#stopMachine(),
      ]);
      this.#time.after(this.#random.fraction() * spanUs, happen);
    }
    for (let count = this.#random.between(0, PARTITIONS_MAX); count > 0; count--) {
      const fault = this.#random.pick(PARTITIONS);
      const durationUs = seconds(this.#random.pick(PARTITIONED_S)) * (0.8 + 0.4 * this.#random.fraction());
      this.#time.after(this.#random.fraction() * spanUs, () => this.#cutOff(fault, durationUs));
    }
  }

  #setReplicaTrap(): void {
    const point = this.#drawPoint(REPLICA_POINTS);
    if (point === null) return;
    const replica = this.#random.pick(this.#replicas());
    replica?.process.setTrap({ point, passes: this.#random.between(0, 5), fault: point });
  }

  #killReplica(): void {
    const replica = this.#random.pick(this.#replicas());
    if (replica !== null && this.#faults.strikes("replica_crash", 1)) replica.process.kill();
  }

  #setMachineTrap(): void {
    const point = this.#drawPoint(CRASH_POINTS);
    if (point === null) return;
    this.#keeper()?.process.setTrap({ point, passes: this.#random.between(0, 5), fault: point });
  }

  #stopMachine(): void {
    const keeper = this.#keeper();
    if (keeper !== null && this.#faults.strikes("crash", 1)) keeper.process.kill();
  }

  #drawPoint(among: readonly CrashPoint[]): CrashPoint | null {
    const points = among.filter((point) => this.#faults.allows(point));
    return points.length === 0 ? null : this.#random.pick(points);
  }

  #cutOff(fault: (typeof PARTITIONS)[number], durationUs: Micros): void {
    const replica = this.#random.pick(this.#replicas());
    if (replica === null || !this.#faults.strikes(fault, 1)) return;
    if (fault !== "keeper_mute") replica.silence(durationUs);
    if (fault !== "keeper_deaf") replica.deafen(durationUs);
  }
}
