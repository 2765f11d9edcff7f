import type { FilterDefinition } from "../../contracts.ts";
import { labelFilter } from "../label-filter.ts";

export const capability: FilterDefinition = labelFilter({
  name: "capability",
  summary: "Keeps workers that can do all that the request needs, such as `tools, vision`.",
  rule: "contains",
});
