// Writes what is made from code: reference pages, and the indexes of policies. `npm test` fails while one is out of date.
import { writeFileSync } from "node:fs";
import { policyIndexes } from "./policy-indexes.ts";

for (const { url, text } of policyIndexes()) writeFileSync(url, text);

// Read only now: they list what the indexes name.
const { configReference } = await import("../src/config/reference.ts");
const { policyReference } = await import("../src/config/policy-reference.ts");
const { errorReference } = await import("../src/gateway/error-reference.ts");

const docs = new URL("../docs/", import.meta.url);
writeFileSync(new URL("configuration.md", docs), configReference());
writeFileSync(new URL("policies.md", docs), policyReference());
writeFileSync(new URL("errors.md", docs), errorReference());
