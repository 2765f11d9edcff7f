import type { CoreConfig } from "../../core/config.ts";
import { resolveModel } from "../../core/planning/plan.ts";
import { ANY_MODEL } from "../../core/vocabulary.ts";

/** The name under which endpoints serve what a client asks for: what nobody knows goes to those that take anything. */
export function servedName(name: string, config: CoreConfig): string {
  const model = resolveModel(name, config.aliases);
  const isRented = config.remotes.some(({ models }) => models.includes(model));
  return isRented || Object.hasOwn(config.models, model) ? model : ANY_MODEL;
}
