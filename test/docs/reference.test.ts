import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { configReference } from "../../src/config/reference.ts";
import { errorReference } from "../../src/gateway/error-reference.ts";

const docs = new URL("../../docs/", import.meta.url);
const pages = { "configuration.md": configReference, "errors.md": errorReference };

for (const [page, make] of Object.entries(pages)) {
  test(`docs/${page} is up to date`, () => {
    assert.equal(readFileSync(new URL(page, docs), "utf8"), make(), "run `npm run docs`");
  });
}
