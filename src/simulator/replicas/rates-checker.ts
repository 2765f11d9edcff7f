import type { AdmissionConfig } from "../../core/config.ts";
import type { TurnGiven } from "../../core/events.ts";
import type { TurnAsk } from "../../core/leasing/lease.ts";
import type { Micros } from "../../core/units.ts";
import { Buckets, namesOf } from "../checkers/buckets.ts";
import type { Violate } from "../checkers/checker.ts";

type Rates = Pick<AdmissionConfig, "rates" | "payerRates">;

/** As many requests as a rate allows come in at all supervisors together, and no more: in the order in which they are asked about. */
export class RatesChecker {
  readonly #violate: Violate;
  #buckets: Buckets;
  /** Whether each request that was asked about may come in. */
  readonly #mayPass = new Map<string, boolean>();

  constructor(rates: Rates, violate: Violate) {
    this.#violate = violate;
    this.#buckets = new Buckets(rates);
  }

  /** The keeper begins anew, with all buckets full. */
  began(rates: Rates): void {
    this.#buckets = new Buckets(rates);
  }

  changed(rates: Rates): void {
    this.#buckets.setRates(rates);
  }

  /** At that time of the ledger's clock. */
  asked({ request, model, payers }: TurnAsk, atUs: Micros): void {
    this.#mayPass.set(request, this.#buckets.take(namesOf(model, payers), atUs));
  }

  given({ request, shortage }: TurnGiven): void {
    const mayPass = this.#mayPass.get(request);
    this.#mayPass.delete(request);
    if (mayPass === undefined) return this.#violate(request, "is given a turn that was not asked for");
    if (mayPass === (shortage === null)) return;
    this.#violate(request, mayPass ? "is refused by a rate that has room" : "is let in beyond its rate");
  }
}
