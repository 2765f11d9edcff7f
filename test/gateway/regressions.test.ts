import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { MICROS_PER_MILLI } from "../../src/core/units.ts";
import { FakeWorker } from "../fakes/fake-worker.ts";
import { TestGateway } from "./running-gateway.ts";

/** Faults that were found in systems of this kind; numbers as in the list they are tested from. */

const MESSAGES = [{ role: "user" as const, content: "Say it with an é." }];

describe("with one worker", () => {
  let gateway: TestGateway;
  let worker: FakeWorker;
  before(async () => {
    gateway = await TestGateway.start({ timeouts: { prefillUs: 200 * MICROS_PER_MILLI } });
    worker = await FakeWorker.start();
    await worker.register(gateway.url);
  });
  after(async () => {
    await gateway.close();
    await worker.close();
  });
  beforeEach(() => gateway.quiet());

  it("fault 2: events that are split at every byte lose nothing", async () => {
    const opened = gateway.client.chat.completions.create({
      model: "tiny",
      messages: MESSAGES,
      stream: true,
    });
    const generation = await worker.next();
    generation.call.openStream();
    const events = [
      { type: "started", prompt_tokens: 5, cached_tokens: 0 },
      ...["Pö", "t é", "🦊"].map((text, seq) => ({ type: "tokens", seq, ids: [seq], text })),
      {
        type: "done",
        finish_reason: "stop",
        usage: { prompt_tokens: 5, cached_tokens: 0, completion_tokens: 3 },
      },
    ];
    const bytes = Buffer.from(events.map((event) => `data: ${JSON.stringify(event)}\r\n\r\n`).join(""));
    const received = (async () => {
      let text = "";
      for await (const { choices } of await opened) text += choices[0]?.delta.content ?? "";
      return text;
    })();
    for (const byte of bytes) {
      generation.call.write(Buffer.of(byte));
      // One turn of the event loop for each, so that each leaves in a packet of its own.
      await setImmediate();
    }
    generation.call.end();
    assert.equal(await received, "Pöt é🦊");
  });

  it("fault 5: a prefill that hangs ends in an explicit error, and its generation is cancelled", async () => {
    const answer = gateway.client.chat.completions.create({ model: "tiny", messages: MESSAGES });
    const generation = await worker.next();
    await assert.rejects(answer, { status: 502, code: "upstream_failed" });
    assert.equal(gateway.settled.at(-1)?.reason, "prefill_timeout");
    assert.equal(await generation.call.closed, false);
  });
});
