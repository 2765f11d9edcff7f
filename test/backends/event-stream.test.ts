import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { EventStreamParser, eventFrame } from "../../src/backends/event-stream.ts";

/** The data of all events of a stream that arrives in these chunks. */
function parse(chunks: Buffer[]): string[] {
  const events: string[] = [];
  const parser = new EventStreamParser((data) => events.push(data));
  for (const chunk of chunks) assert.ok(parser.push(chunk));
  return events;
}

const STREAM = `\u{feff}: a comment
data: {"text":"Paris — “é” 🗼"}

event: ignored
id: 7
data:no space
data: two lines

data

databank: not data

retry: 10

data: incomplete`;

const EVENTS = ['{"text":"Paris — “é” 🗼"}', "no space\ntwo lines", ""];

describe("event stream", () => {
  for (const [name, lineEnd] of [
    ["LF", "\n"],
    ["CRLF", "\r\n"],
    ["CR", "\r"],
  ] as const) {
    // Fault 2: events split across TCP chunks are lost.
    it(`is read the same when cut in two at any byte, with ${name} at line ends`, () => {
      const bytes = Buffer.from(STREAM.replaceAll("\n", lineEnd));
      for (let cut = 0; cut <= bytes.length; cut += 1) {
        assert.deepEqual(parse([bytes.subarray(0, cut), bytes.subarray(cut)]), EVENTS, `cut at ${cut}`);
      }
    });

    it(`is read the same byte by byte, with ${name} at line ends`, () => {
      const bytes = Buffer.from(STREAM.replaceAll("\n", lineEnd));
      assert.deepEqual(parse(Array.from(bytes, (byte) => Buffer.of(byte))), EVENTS);
    });
  }

  it("brings back any texts through any chunks", () => {
    const text = fc
      .string({ unit: "binary" })
      .map((value) => value.replaceAll(/\r\n?/g, "\n").toWellFormed());
    fc.assert(
      fc.property(fc.array(text), fc.array(fc.nat()), (texts, cuts) => {
        const bytes = Buffer.from(texts.map(eventFrame).join(""));
        const places = cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b);
        const starts = [0, ...places];
        const chunks = starts.map((start, index) => bytes.subarray(start, starts[index + 1]));
        assert.deepEqual(parse(chunks), texts);
      }),
    );
  });

  it("gives up on an event without end", () => {
    const parser = new EventStreamParser(() => assert.fail());
    const chunk = Buffer.from(`data: ${"x".repeat(2 ** 20)}\n`);
    const accepted = Array.from({ length: 5 }, () => parser.push(chunk));
    assert.deepEqual(accepted, [true, true, true, false, false]);
  });
});
