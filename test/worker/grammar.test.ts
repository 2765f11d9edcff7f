import assert from "node:assert/strict";
import { resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { z } from "zod";
import { RequestError } from "../../src/worker/errors.ts";
import { jsonSchemaGrammar } from "../../src/worker/grammar/json-schema.ts";
import type { WorkerClient } from "./harness.ts";
import { generateBody, startWorker } from "./harness.ts";

const SEEDS = Array.from({ length: 30 }, (_, seed) => seed);

const PERSON = {
  type: "object",
  properties: {
    name: { type: "string", minLength: 1, maxLength: 12 },
    age: { type: "integer" },
    city: { enum: ["Paris", "Rome", 'the "old" town\\'] },
    height: { type: ["number", "null"] },
  },
  required: ["name", "city"],
  additionalProperties: false,
};

const SCHEMAS: Record<string, Record<string, unknown>> = {
  "an object with optional properties": PERSON,
  "an object without required ones": {
    type: "object",
    properties: { a: { type: "boolean" }, b: { const: 5 }, 'a "b"\n': { type: "null" } },
  },
  enums: { enum: ["red", "green", 7, null, true] },
  "enums of a type": { type: ["string", "integer"], enum: ["red", 7, 7.5, null, true] },
  anything: {},
  "nested arrays": {
    type: "array",
    items: { type: "array", items: { type: "integer" }, minItems: 1, maxItems: 3 },
    minItems: 2,
    maxItems: 4,
  },
  numbers: {
    type: "array",
    items: { type: "number" },
    minItems: 1,
    maxItems: 4,
  },
  "strings of bounded length": { type: "string", minLength: 3, maxLength: 8 },
  formats: {
    type: "object",
    properties: {
      day: { type: "string", format: "date" },
      at: { type: "string", format: "date-time" },
      id: { type: "string", format: "uuid" },
    },
    required: ["day", "at", "id"],
  },
  anyOf: {
    anyOf: [
      {
        type: "object",
        properties: { kind: { const: "dog" }, legs: { type: "integer" } },
        required: ["kind"],
      },
      { type: "array", items: { type: "boolean" }, maxItems: 3 },
      { type: "string", maxLength: 5 },
    ],
  },
  oneOf: { oneOf: [{ type: "boolean" }, { type: "array", items: { type: "null" }, maxItems: 2 }] },
  references: {
    $defs: {
      node: {
        type: "object",
        properties: {
          value: { type: "integer" },
          next: { anyOf: [{ $ref: "#/$defs/node" }, { type: "null" }] },
        },
        required: ["value", "next"],
      },
    },
    $ref: "#/$defs/node",
  },
  "a map": { type: "object", additionalProperties: { type: "integer" } },
};

/** As users of zod write them. Every integer has bounds in what zod makes of it, given or not. */
const ZOD_SCHEMAS: Record<string, z.ZodType> = {
  "integers with and without bounds": z.object({
    any: z.int(),
    natural: z.number().int().nonnegative(),
    percent: z.number().int().min(0).max(100),
    below: z.int().negative(),
  }),
  "numbers within bounds": z.object({
    share: z.number().min(0).max(1),
    price: z.number().positive(),
    degrees: z.number().gt(-273.15).lt(56.7),
    whole: z.number().multipleOf(1).max(12.5),
  }),
  "enums, and what may be missing or null": z.object({
    color: z.enum(["red", "green", "blue"]),
    size: z.int().min(30).max(48).optional(),
    rating: z.number().min(1).max(5).nullable(),
    note: z.string().max(12).nullish(),
  }),
  "nested arrays of bounded length": z.object({
    cart: z
      .array(
        z.object({
          sku: z.string().min(2).max(6),
          count: z.int().min(1).max(12),
          sizes: z.array(z.int().gte(-5).lte(5)).min(1).max(3),
        }),
      )
      .min(1)
      .max(2),
    paid: z.boolean(),
  }),
  "a union told apart by a literal": z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("circle"), radius: z.number().positive().max(99) }),
    z.object({ kind: z.literal("square"), side: z.int().positive().max(99) }),
  ]),
};

void describe("grammar", () => {
  let worker: WorkerClient;
  before(async () => {
    const path = resolve(import.meta.dirname, "../../models/headgate-1m.gguf");
    worker = await startWorker({ model: { path, slots: 6 } });
  });
  after(() => worker.close());

  /** Complete answers, one for each seed that brought one. */
  async function answers(grammar: object): Promise<string[]> {
    const all = await Promise.all(
      [0, 1, 2, 3, 4, 5].map(async (lane) => {
        const texts: string[] = [];
        for (const seed of SEEDS.filter((candidate) => candidate % 6 === lane)) {
          const sampling = { temperature: 1, seed };
          const { done, text } = await worker.generate({ grammar, sampling, max_tokens: 200 });
          if (done?.finish_reason === "stop") texts.push(text);
          else assert.equal(done?.finish_reason, "length");
        }
        return texts;
      }),
    );
    return all.flat();
  }

  for (const [name, schema] of Object.entries(SCHEMAS)) {
    void test(`json_schema: ${name}`, async () => {
      const validator = z.fromJSONSchema(schema);
      const texts = await answers({ json_schema: schema });
      assert.ok(texts.length >= 10, `${texts.length} of ${SEEDS.length} answers were complete`);
      for (const text of texts) {
        const result = validator.safeParse(JSON.parse(text));
        assert.ok(result.success, text);
      }
    });
  }

  for (const [name, schema] of Object.entries(ZOD_SCHEMAS)) {
    void test(`a schema made with zod: ${name}`, async () => {
      const texts = await answers({ json_schema: z.toJSONSchema(schema, { target: "draft-7" }) });
      assert.ok(texts.length >= 20, `${texts.length} of ${SEEDS.length} answers were complete`);
      for (const text of texts) {
        const result = schema.safeParse(JSON.parse(text));
        assert.ok(result.success, `${text}: ${result.error?.message}`);
      }
    });
  }

  void test("json_schema: a constant may be any value", async () => {
    const constant = { deep: [true, { "a\n": '\\ "' }] };
    for (const text of await answers({ json_schema: { const: constant } })) {
      assert.deepEqual(JSON.parse(text), constant);
    }
  });

  void test("json: any object", async () => {
    const texts = await answers({ json: true });
    assert.ok(texts.length > 0);
    for (const text of texts) assert.equal(Object.getPrototypeOf(JSON.parse(text)), Object.prototype);
  });

  void test("holds with logprobs, choices, a bias against it, and an end that is to be ignored", async () => {
    const { events, done } = await worker.generate({
      grammar: { json_schema: { enum: ["yes", "no"] } },
      n: 3,
      logprobs: 5,
      ignore_eos: true,
      logit_bias: { 300: 100 },
      sampling: { temperature: 1, seed: 1 },
    });
    assert.equal(done?.finish_reason, "stop");
    const texts = ["", "", ""];
    for (const event of events) if (event.type === "tokens") texts[event.choice!] += event.text;
    for (const text of texts) assert.ok(['"yes"', '"no"'].includes(text), text);
  });

  void test("goes on after a halt where it was", async () => {
    const body = {
      grammar: { json_schema: PERSON },
      max_tokens: 120,
      sampling: { temperature: 1, seed: 12 },
    };
    const whole = await worker.generate(body);
    const reader = await worker.open({ ...body, credit: 5 });
    const events = await reader.until("credit");
    await worker.call("POST", `/worker/generate/${reader.id}/credit`, { credit: 120 });
    events.push(...(await reader.rest()).events);
    const ids = events.flatMap((event) => (event.type === "tokens" ? event.ids : []));
    assert.deepEqual(ids, whole.ids);
  });

  void test("a schema that can't be kept to is refused by name", async () => {
    const wrong: [unknown, RegExp][] = [
      [{ type: "string", pattern: "^a+$" }, /at # has `pattern`/],
      [
        { type: "object", properties: { a: { type: "integer", multipleOf: 3 } } },
        /#\/properties\/a has `multipleOf`/,
      ],
      [{ type: "integer", minimum: 2, maximum: 1 }, /no integer/],
      [{ type: "integer", exclusiveMinimum: 0, exclusiveMaximum: 1 }, /no integer/],
      [{ type: "number", exclusiveMinimum: true }, /`exclusiveMinimum` that is no number/],
      [{ type: "string", minimum: 3 }, /`minimum`/],
      [
        { type: "array", items: { type: "string", format: "hostname" } },
        /#\/items has the `format` "hostname"/,
      ],
      [{ $ref: "https://example.com/schema" }, /refers to "https/],
      [{ $ref: "#/$defs/nobody" }, /which is not there/],
      [{ type: "object", required: ["a"] }, /requires "a"/],
      [{ type: "thing" }, /`type` "thing"/],
      [{ type: "string", maxLength: 100_000 }, /`maxLength`/],
      [{ anyOf: [] }, /`anyOf`/],
      [{ type: "string", enum: [1, 2] }, /no value of its `type`/],
      [{ type: "array", prefixItems: [{ type: "string" }] }, /`prefixItems`/],
      [{ anyOf: Array.from({ length: 30 }, () => ({ type: "string", maxLength: 1_000 })) }, /over 20000/],
      ["text", /is no schema/],
      [false, /allows nothing/],
    ];
    for (const [schema, message] of wrong) {
      const answer = await worker.call(
        "POST",
        "/worker/generate",
        generateBody({ grammar: { json_schema: schema } }),
      );
      assert.deepEqual([answer.status, answer.body.error.param], [400, "grammar.json_schema"]);
      assert.match(answer.body.error.message, message);
    }
  });

  void test("a grammar of no kind is refused", async () => {
    for (const grammar of [{}, { json: false }, { json: true, json_schema: {} }, { gbnf: 'root ::= "a"' }]) {
      const answer = await worker.call("POST", "/worker/generate", generateBody({ grammar }));
      assert.deepEqual([answer.status, answer.body.error.code], [400, "invalid_request"]);
    }
  });

  void test("a schema that goes in circles is refused by the engine, and harms nobody", async () => {
    const circle = { $defs: { a: { anyOf: [{ $ref: "#/$defs/a" }, { type: "null" }] } }, $ref: "#/$defs/a" };
    const answer = await worker.call(
      "POST",
      "/worker/generate",
      generateBody({ grammar: { json_schema: circle } }),
    );
    assert.deepEqual([answer.status, answer.body.error.param], [400, "grammar.json_schema"]);
    assert.equal((await worker.health())["active_sessions"], 0);
  });

  void test("the largest repetitions the wire takes are such as the engine takes", async () => {
    const schema = {
      type: "array",
      items: { type: "array", items: { type: "string", maxLength: 1_000 }, maxItems: 1_000 },
      maxItems: 1_000,
    };
    const { done } = await worker.generate({ grammar: { json_schema: schema }, max_tokens: 20 });
    assert.ok(done);
  });
});

void describe("schemas that are too much", () => {
  void test("too deep and too long ones are refused before anything is made of them", () => {
    let deep: object = { type: "null" };
    for (let level = 0; level < 100; level++) deep = { type: "array", items: deep };
    assert.throws(() => jsonSchemaGrammar(deep), RequestError);
    assert.throws(() => jsonSchemaGrammar({ description: "x".repeat(70_000) }), RequestError);
  });
});
