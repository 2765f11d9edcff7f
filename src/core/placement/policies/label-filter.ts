import { hasLabelValues } from "../../fleet/worker.ts";
import type { FilterDefinition } from "../contracts.ts";

/**
 * A filter by one label of workers: what the request asks for by that label, or else what `usual` says, has to be
 * there. Requests that ask for nothing, where nothing is usual, may go anywhere. It leaves none rather than a wrong one.
 */
export function labelFilter(description: {
  name: string;
  summary: string;
  rule: "exact" | "contains";
}): FilterDefinition {
  const { name, summary, rule } = description;
  return {
    kind: "filter",
    name,
    summary,
    formula:
      "worker's label = asked (exact), or each of the asked ∈ the worker's, both comma-separated (contains)",
    source: "",
    needs: ["labels"],
    parameters: {
      label: { summary: "Name of the label, of workers and in requests", unit: "", default: name },
      rule: { summary: "How it is compared", unit: "", default: rule, choices: ["exact", "contains"] },
      usual: {
        summary: "What a request asks for that does not say; nothing if empty",
        unit: "",
        default: "",
      },
    },
    create: (parameters) => {
      const label = String(parameters["label"]);
      const usual = String(parameters["usual"]);
      const isExact = parameters["rule"] === "exact";
      return {
        filter(candidates, packet) {
          const { labels: askedLabels } = packet.request.arrival.hints;
          const asked = Object.hasOwn(askedLabels, label) ? askedLabels[label]! : usual;
          if (asked === "") return candidates;
          return candidates.filter(({ worker: { labels } }) => {
            const value = Object.hasOwn(labels, label) ? labels[label] : undefined;
            return isExact ? value === asked : hasLabelValues(value, asked);
          });
        },
      };
    },
  };
}
