import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { ToolCallForm } from "../../src/exchange/outbox.ts";
import { createToolCallReader } from "../../src/gateway/tool-calls.ts";

interface Said {
  content: string;
  calls: { name: string; arguments: string }[];
}

/** What the client is told, put together, of a text that comes in these pieces. */
function read(form: ToolCallForm, pieces: readonly string[]): Said {
  const reader = createToolCallReader(form)!;
  const said: Said = { content: "", calls: [] };
  for (const part of [...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()]) {
    if (part.kind === "content") said.content += part.text;
    else if (part.kind === "call") said.calls.push({ name: part.name, arguments: "" });
    else said.calls.at(-1)!.arguments += part.text;
  }
  return said;
}

/** The text cut at these places, in thousandths of its length. */
function cut(text: string, at: readonly number[]): string[] {
  const places = at.map((part) => Math.floor((part * text.length) / 1_000)).toSorted((a, b) => a - b);
  return [0, ...places].map((start, i) => text.slice(start, places[i] ?? text.length));
}

const cuts = fc.array(fc.nat({ max: 1_000 }), { maxLength: 12 });
const name = fc.stringMatching(/^[a-z_-]{1,12}$/);
const values = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }));

const TOO_DEEP = `{"name":"f","arguments":{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}}`;

describe("calls between markers", () => {
  for (const [what, text, expected] of [
    ["content alone", "Hello <b>", { content: "Hello <b>", calls: [] }],
    ["a call", '<tool_call>{"name":"f","arguments":{"a":1}}</tool_call>', call("f", '{"a":1}')],
    ["space around it", ' \n<tool_call>\n{"name":"f"}\n</tool_call> \n', call("f", "{}")],
    ["a call that nothing closes", '<tool_call>{"name":"f","arguments":{}}', call("f", "{}")],
    ["JSON too deep to be written", `<tool_call>${TOO_DEEP}</tool_call>`, content(TOO_DEEP)],
    ["broken JSON", "a <tool_call>{f}</tool_call> b", { content: "a {f} b", calls: [] }],
    ["a call cut short", '<tool_call>{"name":"f","argu', { content: '{"name":"f","argu', calls: [] }],
    ["the beginning of a marker", "a <tool_c", { content: "a <tool_c", calls: [] }],
    [
      "no arguments that are any",
      '<tool_call>{"name":"f","arguments":1}</tool_call>',
      content('{"name":"f","arguments":1}'),
    ],
  ] as [string, string, Said][]) {
    it(`are read out of ${what}`, () => assert.deepEqual(read("marked", [text]), expected));
  }

  it("are told whatever the pieces they come in, and nothing of a marker is", () => {
    const called = fc.record({ name, arguments: values });
    const piece = fc.oneof(
      fc.string({ unit: "grapheme" }).map((text) => ({ text: text.replaceAll("<", "") })),
      called.map((one) => ({ called: one })),
    );
    fc.assert(
      fc.property(fc.array(piece), cuts, (parts, at) => {
        const text = parts
          .map((part) =>
            "text" in part ? part.text : `<tool_call>\n${JSON.stringify(part.called)}\n</tool_call>`,
          )
          .join("");
        const said = read("marked", cut(text, at));
        const calls = parts.flatMap((part) => ("called" in part ? [part.called] : []));
        assert.deepEqual(
          said.calls.map((one) => ({ name: one.name, arguments: JSON.parse(one.arguments) as unknown })),
          calls.map((one) => JSON.parse(JSON.stringify(one)) as unknown),
        );
        const contents = parts.map((part) => ("text" in part ? part.text : "")).join("");
        assert.equal(said.content.replaceAll(/\s/g, ""), contents.replaceAll(/\s/g, ""));
        if (calls.length === 0) assert.equal(said.content, contents);
      }),
      { numRuns: 500 },
    );
  });

  it("are the same in any pieces of any text", () => {
    const token = fc.constantFrom(
      ...'<tool_call> </tool_call> <tool _call> < </ {"name":"f" ,"arguments":{ } }} " x'.split(" "),
      " ",
      "\n",
    );
    fc.assert(
      fc.property(fc.array(token), cuts, (tokens, at) => {
        const text = tokens.join("");
        const whole = read("marked", [text]);
        assert.deepEqual(read("marked", cut(text, at)), whole);
        assert.deepEqual(read("marked", text.split("")), whole);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("text that is one call", () => {
  it("is told as it comes: first the name, then the arguments as they were written", () => {
    const reader = createToolCallReader("only")!;
    assert.deepEqual(reader.push('{ "name": "get_'), []);
    assert.deepEqual(reader.push('weather", "arguments": {"ci'), [
      { kind: "call", name: "get_weather" },
      { kind: "arguments", text: '{"ci' },
    ]);
    assert.deepEqual(reader.push('ty": "}"'), [{ kind: "arguments", text: 'ty": "}"' }]);
    assert.deepEqual(reader.push("}}  "), [{ kind: "arguments", text: "}" }]);
    assert.deepEqual(reader.end(), []);
  });

  it("is the same in any pieces", () => {
    const space = fc.constantFrom("", " ", "\n  ");
    fc.assert(
      fc.property(name, values, fc.boolean(), space, cuts, (called, given, isSpaced, gap, at) => {
        const written = JSON.stringify(given, null, isSpaced ? 2 : 0);
        const text = `${gap}{${gap}"name":${gap}"${called}"${gap},${gap}"arguments":${gap}${written}${gap}}${gap}`;
        assert.deepEqual(read("only", cut(text, at)), call(called, written));
      }),
      { numRuns: 500 },
    );
  });

  it("is content when it is no call after all", () => {
    for (const text of ["Hello", '{"name":"f"', "x".repeat(3_000), ""]) {
      assert.deepEqual(read("only", text.split("")), content(text));
    }
  });

  it("keeps the arguments as far as they came when it is cut short", () => {
    assert.deepEqual(read("only", ['{"name":"f","arguments":{"a":"b']), call("f", '{"a":"b'));
  });
});

function call(called: string, given: string): Said {
  return { content: "", calls: [{ name: called, arguments: given }] };
}

function content(text: string): Said {
  return { content: text, calls: [] };
}
