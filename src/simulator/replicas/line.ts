import type { Random } from "../../core/random.ts";
import type { Micros } from "../../core/units.ts";
import type { FaultPlan } from "../faults.ts";
import type { VirtualTime } from "../virtual-time.ts";

/** What lines need of their world. */
export interface LineParts {
  time: VirtualTime;
  faults: FaultPlan;
  random: Random;
  /** How long a message usually takes. */
  meanUs: Micros;
}

/** One direction of a connection: messages arrive in the order in which they were sent, however long each takes. */
export class Line {
  readonly #parts: LineParts;
  /** On their way: the first of them is due. */
  readonly #messages: { arrivalUs: Micros; deliver: () => void }[] = [];
  #lastArrivalUs: Micros = 0;
  #cutOffUs: Micros = 0;
  #isDue = false;

  constructor(parts: LineParts) {
    this.#parts = parts;
  }

  send(deliver: () => void): void {
    const { time, random, faults, meanUs } = this.#parts;
    const isSlow = faults.strikes("keeper_delay", 0.003);
    const delayUs = Math.round(meanUs * (0.5 + random.fraction())) * (isSlow ? 100 : 1);
    const arrivalUs = Math.max(this.#lastArrivalUs, time.nowUs + delayUs);
    this.#lastArrivalUs = arrivalUs;
    this.#messages.push({ arrivalUs, deliver });
    this.#await();
  }

  /** Nothing arrives for so long; what was on its way, and what is sent meanwhile, arrives after that. */
  cutOff(durationUs: Micros): void {
    this.#cutOffUs = Math.max(this.#cutOffUs, this.#parts.time.nowUs + durationUs);
  }

  mend(): void {
    this.#cutOffUs = 0;
  }

  /** The sender is gone, and with it what it had not got rid of yet. */
  loseSome(): void {
    this.#messages.splice(this.#parts.random.between(0, this.#messages.length));
  }

  loseAll(): void {
    this.#messages.length = 0;
  }

  #await(): void {
    const [first] = this.#messages;
    if (this.#isDue || first === undefined) return;
    this.#isDue = true;
    this.#parts.time.at(Math.max(first.arrivalUs, this.#cutOffUs), () => {
      this.#isDue = false;
      this.#arrive();
    });
  }

  #arrive(): void {
    const { nowUs } = this.#parts.time;
    const [first] = this.#messages;
    if (first !== undefined && Math.max(first.arrivalUs, this.#cutOffUs) <= nowUs) {
      this.#messages.shift();
      first.deliver();
    }
    this.#await();
  }
}
