import type { FilterDefinition } from "../../contracts.ts";
import { labelFilter } from "../label-filter.ts";

export const compliance: FilterDefinition = labelFilter({
  name: "compliance",
  summary: "Keeps workers that meet every rule the request is under, such as `gdpr, hipaa`.",
  rule: "contains",
});
