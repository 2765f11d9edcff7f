import type { FilterDefinition } from "../../contracts.ts";
import { labelFilter } from "../label-filter.ts";

export const domain: FilterDefinition = labelFilter({
  name: "domain",
  summary: "Keeps workers of the domain that the request belongs to, such as a department's own.",
  rule: "exact",
});
