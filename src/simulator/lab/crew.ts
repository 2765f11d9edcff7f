import { type Micros, MICROS_PER_SECOND } from "../../core/units.ts";
import type { VirtualTime } from "../virtual-time.ts";
import type { VirtualWorker } from "../worker.ts";
import type { World } from "../world.ts";
import type { Experiment, ScalingRule } from "./experiment.ts";
import { workerOf } from "./lab-scenario.ts";

/**
 * How many workers there are, by a rule: one more is started while there is too much to do for those that are there or
 * starting, and the youngest is drained once there has been too little for long enough. One at a time.
 */
export class Crew {
  readonly #experiment: Experiment;
  readonly #time: VirtualTime;
  readonly #world: World;
  /** Since when each that was there is there. */
  readonly #sinceUs = new Map<string, Micros>();
  /** Those of the group that is scaled, in the order in which they were started, starting and leaving ones left out. */
  readonly #staff: VirtualWorker[] = [];
  #pastUs: Micros = 0;
  #starting = 0;
  #hired: number;
  #lowSinceUs: Micros | null = null;

  constructor(experiment: Experiment, { time, world }: { time: VirtualTime; world: World }) {
    this.#experiment = experiment;
    this.#time = time;
    this.#world = world;
    const { scaling, fleet } = experiment;
    this.#hired = scaling === undefined ? 0 : fleet[scaling.group]!.count;
    for (const worker of world.workers) {
      this.#sinceUs.set(worker.spec.id, time.nowUs);
      if (scaling !== undefined && worker.spec.id.startsWith(`g${scaling.group}-`)) this.#staff.push(worker);
    }
    if (scaling !== undefined) this.#keepLooking(scaling);
  }

  /** Time that workers have been there, all together, in seconds. */
  workerSeconds(untilUs: Micros): number {
    let sumUs = this.#pastUs;
    for (const sinceUs of this.#sinceUs.values()) sumUs += Math.max(0, untilUs - sinceUs);
    return sumUs / MICROS_PER_SECOND;
  }

  #keepLooking(rule: ScalingRule): void {
    this.#time.after(rule.intervalUs, () => {
      if (this.#world.isSupervised) this.#look(rule);
      this.#keepLooking(rule);
    });
  }

  #look(rule: ScalingRule): void {
    const { targetPerWorker, countMin, countMax, cooldownUs } = rule;
    const { requests } = this.#world.inspect();
    const count = this.#staff.length + this.#starting;
    if (requests > targetPerWorker * count) {
      this.#lowSinceUs = null;
      if (count < countMax) this.#hire(rule);
      return;
    }
    if (count <= countMin || requests > targetPerWorker * (count - 1)) {
      this.#lowSinceUs = null;
      return;
    }
    this.#lowSinceUs ??= this.#time.nowUs;
    if (this.#time.nowUs - this.#lowSinceUs < cooldownUs) return;
    this.#lowSinceUs = null;
    this.#dismiss();
  }

  #hire({ group: index }: ScalingRule): void {
    const group = this.#experiment.fleet[index]!;
    const spec = workerOf(this.#experiment, { group, index, each: this.#hired++ });
    this.#starting++;
    this.#sinceUs.set(spec.id, this.#time.nowUs);
    this.#time.after(group.profile.startUs, () => {
      this.#starting--;
      this.#staff.push(this.#world.hire(spec));
    });
  }

  #dismiss(): void {
    const worker = this.#staff.pop();
    if (worker === undefined) return;
    this.#world.dismiss(worker, () => {
      const { id } = worker.spec;
      this.#pastUs += this.#time.nowUs - this.#sinceUs.get(id)!;
      this.#sinceUs.delete(id);
    });
  }
}
