import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { NumberBounds } from "../../src/worker/grammar/number-range.ts";
import { numberRange } from "../../src/worker/grammar/number-range.ts";

/** What is written, and what could be: all within these, with so many places at most. */
const LARGEST = Number.MAX_SAFE_INTEGER;

/**
 * Such a grammar has quoted digits, classes of digits, groups, `|`, `?` and repetitions of a class;
 * all of them mean the same to a regular expression, which says what the grammar accepts.
 */
function expression(grammar: string): RegExp {
  return new RegExp(`^(?:${grammar.replaceAll('"."', String.raw`\.`).replaceAll(/[ "]/g, "")})$`);
}

function accepts(kind: "integer" | "number", bounds: NumberBounds): (text: string) => boolean {
  const grammar = numberRange(kind, bounds);
  if (grammar === null) return () => false;
  const whole = expression(grammar);
  return (text) => whole.test(text);
}

/** Of a schema, told by plain comparison. */
function isWithin(value: number, bounds: NumberBounds): boolean {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = bounds;
  return (
    value >= (minimum ?? -Infinity) &&
    value <= (maximum ?? Infinity) &&
    value > (exclusiveMinimum ?? -Infinity) &&
    value < (exclusiveMaximum ?? Infinity)
  );
}

/** Any of the four, made of such numbers. */
function boundsOf(number: fc.Arbitrary<number>): fc.Arbitrary<NumberBounds> {
  const keys = { minimum: number, maximum: number, exclusiveMinimum: number, exclusiveMaximum: number };
  return fc.record(keys, { requiredKeys: [] });
}

const near = fc.integer({ min: -130, max: 130 });
/** Decimals as people write them, and any double there is. */
const decimal = fc.tuple(fc.integer({ min: -99_999, max: 99_999 }), fc.integer({ min: 0, max: 5 }));
const bound = fc.oneof(
  near,
  decimal.map(([digits, places]) => Number(`${digits}e-${places}`)),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.double({ min: -2, max: 2, noNaN: true }),
  fc.constantFrom(LARGEST, -LARGEST, LARGEST + 1, 0, -0, 1e-15, 1e-16, 0.1 + 0.2, 1e21),
);

void describe("number ranges", () => {
  void test("of integers: those within the bounds, and no others", () => {
    fc.assert(
      fc.property(boundsOf(fc.oneof(near, bound)), (bounds) => {
        const accepted = accepts("integer", bounds);
        for (let value = -1_100; value <= 1_100; value++) {
          assert.equal(accepted(String(value)), isWithin(value, bounds), `${value}`);
        }
      }),
    );
  });

  void test("of integers: to the last one near a large bound", () => {
    const large = fc.maxSafeInteger();
    fc.assert(
      fc.property(large, large, fc.integer({ min: -20, max: 20 }), (a, b, offset) => {
        const bounds = { minimum: Math.min(a, b), maximum: Math.max(a, b) };
        const accepted = accepts("integer", bounds);
        for (const value of [a + offset, b + offset, Math.trunc((a + b) / 2)]) {
          const expected = Number.isSafeInteger(value) && isWithin(value, bounds);
          assert.equal(accepted(String(value)), expected, `${value}`);
        }
      }),
    );
  });

  void test("of numbers: decimals within the bounds, however they are near to them, and no others", () => {
    const places = fc.tuple(fc.integer({ min: -3_000_000, max: 3_000_000 }), fc.integer({ min: 1, max: 15 }));
    fc.assert(
      fc.property(boundsOf(bound), fc.array(places, { minLength: 20 }), bound, (bounds, decimals, other) => {
        const accepted = accepts("number", bounds);
        const values = [
          ...decimals.map(([digits, count]) => Number((digits / 10 ** count).toFixed(15))),
          ...Object.values(bounds),
          other,
        ];
        for (const value of values.filter((each) => each !== 0 && Math.abs(each) <= LARGEST)) {
          const text = String(value);
          if (!/^-?\d+(\.\d{1,15})?$/.test(text)) continue;
          assert.equal(accepted(text), isWithin(value, bounds), text);
        }
      }),
      { numRuns: 500 },
    );
  });

  void test("of numbers: whatever is written reads as a double within the bounds", () => {
    fc.assert(
      fc.property(boundsOf(bound), fc.infiniteStream(fc.nat()), (bounds, choices) => {
        const grammar = numberRange("number", bounds);
        if (grammar === null) return;
        for (let i = 0; i < 20; i++) {
          const text = write(grammar, choices);
          assert.ok(isWithin(Number(text), bounds), text);
          // Valid JSON besides.
          assert.equal(JSON.parse(text), Number(text));
        }
      }),
      { numRuns: 500 },
    );
  });

  void test("where nothing can be written there is no grammar", () => {
    assert.equal(numberRange("integer", { minimum: 3, maximum: 2 }), null);
    assert.equal(numberRange("integer", { minimum: 0.2, maximum: 0.8 }), null);
    assert.equal(numberRange("integer", { exclusiveMinimum: 1, exclusiveMaximum: 2 }), null);
    assert.equal(numberRange("integer", { minimum: 1e300 }), null);
    assert.equal(numberRange("number", { minimum: 1e-17, maximum: 2e-17 }), null);
    assert.notEqual(numberRange("number", { minimum: 0.2, maximum: 0.2 }), null);
  });
});

/** A text of the grammar, walked at random. */
function write(grammar: string, choices: Iterator<number>): string {
  const tokens = [...grammar.matchAll(/"[^"]+"|\[\d-\d\]|\{[\d,]+\}|[()|?]|\[\d\]/g)].map(([token]) => token);
  const choose = (count: number): number => Number(choices.next().value) % count;
  let at = 0;
  return alternatives();

  function alternatives(): string {
    const texts = [sequence()];
    while (tokens[at] === "|") {
      at++;
      texts.push(sequence());
    }
    return texts[choose(texts.length)]!;
  }

  function sequence(): string {
    let text = "";
    while (at < tokens.length && tokens[at] !== "|" && tokens[at] !== ")") text += part();
    return text;
  }

  function part(): string {
    const token = tokens[at++]!;
    if (token === "(") {
      const inner = alternatives();
      at++;
      if (tokens[at] !== "?") return inner;
      at++;
      return choose(2) === 0 ? "" : inner;
    }
    if (token.startsWith('"')) return token.slice(1, -1);
    const [first = 0, last = first] = [...token.matchAll(/\d/g)].map(Number);
    const digit = (): number => first + choose(last - first + 1);
    const repeated = /^\{(\d+),?(\d*)\}$/.exec(tokens[at] ?? "");
    if (repeated === null) return String(digit());
    at++;
    const least = Number(repeated[1]);
    const most = Number(repeated[2] || least);
    return Array.from({ length: least + choose(most - least + 1) }, digit).join("");
  }
}
