import type { CapFigures } from "./figures.ts";
import type { Gateway, Reason } from "./gateways/gateway.ts";
import type { Stage } from "./stage.ts";

/** One way in which budgets break. A file in `scenarios/`, and an entry in their index. */
export interface Scenario {
  name: string;
  /** What is done, in a sentence. */
  what: string;
  /** Why this gateway can't be put through it; null where it can. */
  missing?: (gateway: Gateway) => string | null;
  /** Loads the gateway, and audits each cap that it has asked for. */
  run(stage: Stage): Promise<CapFigures[] | Reason>;
}
