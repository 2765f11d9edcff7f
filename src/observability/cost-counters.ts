import { Counter } from "prom-client";
import type { Registry } from "prom-client";
import type { SettledRecord } from "../core/settling/record.ts";

/** Tenants with a label of their own; those beyond share one, however many keys are made. */
const TENANTS_MAX = 100;
const NANO_USD_PER_USD = 1e9;

/** What settled requests were charged, by model and by tenant. Counted here; the counters are filled when somebody scrapes. */
export class CostCounters {
  readonly #nanoUsdByModel = new Map<string, number>();
  readonly #nanoUsdByTenant = new Map<string, number>();

  constructor(registry: Registry) {
    const registers = [registry];
    const byModel = this.#nanoUsdByModel;
    new Counter({
      name: "headgate_cost_usd_total",
      help: "What settled requests were charged, in USD.",
      labelNames: ["model"],
      registers,
      collect() {
        this.reset();
        for (const [model, nanoUsd] of byModel) this.inc({ model }, nanoUsd / NANO_USD_PER_USD);
      },
    });
    const byTenant = this.#nanoUsdByTenant;
    new Counter({
      name: "headgate_tenant_cost_usd_total",
      help: `What tenants were charged, in USD; beyond the first ${TENANTS_MAX} all together as "other".`,
      labelNames: ["tenant"],
      registers,
      collect() {
        this.reset();
        for (const [tenant, nanoUsd] of byTenant) this.inc({ tenant }, nanoUsd / NANO_USD_PER_USD);
      },
    });
  }

  settled({ tenant, charged }: SettledRecord, modelLabel: string): void {
    const byTenant = this.#nanoUsdByTenant;
    const isNamed = byTenant.has(tenant) || byTenant.size < TENANTS_MAX;
    add(this.#nanoUsdByModel, modelLabel, charged.nanoUsd);
    add(byTenant, isNamed ? tenant : "other", charged.nanoUsd);
  }
}

function add(sums: Map<string, number>, name: string, amount: number): void {
  sums.set(name, (sums.get(name) ?? 0) + amount);
}
