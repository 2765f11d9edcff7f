import type { LimitRow } from "../core/budget/limits.ts";
import type { Effect } from "../core/effects.ts";
import type { LimitsChanged, PolicySet } from "../core/events.ts";
import type { Random } from "../core/random.ts";
import { type Micros, seconds } from "../core/units.ts";
import type { VirtualDisk } from "./disk.ts";
import type { FaultPlan } from "./faults.ts";
import { drawLimitChange } from "./money.ts";
import { drawChanges } from "./policies.ts";
import type { Scenario } from "./scenario.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** How long it takes on average until somebody raises a limit that was in the way. */
const RAISE_US: Micros = seconds(0.2);

/** Somebody who sets limits and policies while requests run. */
export class Operator {
  readonly #scenario: Scenario;
  readonly #time: VirtualTime;
  readonly #faults: FaultPlan;
  readonly #random: Random;
  readonly #disk: VirtualDisk;
  readonly #tell: (event: LimitsChanged | PolicySet) => void;

  constructor(options: {
    scenario: Scenario;
    time: VirtualTime;
    faults: FaultPlan;
    random: Random;
    disk: VirtualDisk;
    /** Reaches whoever is there to hear it. */
    tell: (event: LimitsChanged | PolicySet) => void;
  }) {
    this.#scenario = options.scenario;
    this.#time = options.time;
    this.#faults = options.faults;
    this.#random = options.random;
    this.#disk = options.disk;
    this.#tell = options.tell;
  }

  arrangeLimitChanges(spanUs: Micros): void {
    const { load, config } = this.#scenario;
    const random = this.#random.fork();
    for (let count = random.between(0, 5); count > 0; count--) {
      this.#time.after(random.fraction() * spanUs, () => {
        if (!this.#faults.strikes("limit_change", 1)) return;
        this.setLimit(drawLimitChange(random, { load, prices: config.prices, limits: this.#disk.limits }));
      });
    }
  }

  arrangePolicyChanges(spanUs: Micros): void {
    const random = this.#random.fork();
    if (!this.#scenario.hasOperator) return;
    for (let count = random.between(1, 4); count > 0; count--) {
      this.#time.after(random.fraction() * spanUs, () => {
        if (!this.#faults.strikes("policy_change", 1)) return;
        this.#tell({ kind: "policy_set", scheduling: drawChanges(random) });
      });
    }
  }

  /** A limit that was in the way may be raised a little soon after, because somebody has noticed. */
  noticeShortage(effect: Effect): void {
    if (effect.kind === "finish_answer" && effect.shortage !== null) this.#raiseLater(effect.shortage, 0.7);
    if (effect.kind !== "fail_request") return;
    const { account, limit } = effect.error;
    if (account !== undefined && limit !== undefined) this.#raiseLater({ account, ...limit }, 0.05);
  }

  setLimit(limit: LimitRow): void {
    this.#disk.setLimit(limit);
    this.#tell({ kind: "limits_changed", limits: [limit], known: this.#disk.known([limit]) });
  }

  #raiseLater(shortage: Pick<LimitRow, "account" | "unit" | "window">, probability: number): void {
    const limit = this.#disk.limits.find(({ account, unit, window }) => {
      return account === shortage.account && unit === shortage.unit && window === shortage.window;
    });
    if (limit === undefined || !this.#faults.strikes("limit_change", probability)) return;
    this.#time.after(this.#random.exponential(RAISE_US), () => {
      this.setLimit({ ...limit, amount: `${Math.ceil(Number(limit.amount) * 1.05)}` });
    });
  }
}
