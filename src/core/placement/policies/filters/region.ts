import type { FilterDefinition } from "../../contracts.ts";
import { labelFilter } from "../label-filter.ts";

export const region: FilterDefinition = labelFilter({
  name: "region",
  summary: "Keeps workers in the region that the request may be served in.",
  rule: "exact",
});
