// Writes the reference pages that are made from code. `npm test` fails while one is out of date.
import { writeFileSync } from "node:fs";
import { configReference } from "../src/config/reference.ts";
import { errorReference } from "../src/gateway/error-reference.ts";

const docs = new URL("../docs/", import.meta.url);
writeFileSync(new URL("configuration.md", docs), configReference());
writeFileSync(new URL("errors.md", docs), errorReference());
