import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import { FakeWorker } from "../fakes/fake-worker.ts";
import { chatBody, TestGateway } from "./running-gateway.ts";

describe("a stream that has nothing to say for long", () => {
  let gateway: TestGateway;
  let worker: FakeWorker;
  before(async () => {
    gateway = await TestGateway.start({ silenceMs: 40 });
    worker = await FakeWorker.start({ slots: 1 });
    await worker.register(gateway.url);
  });
  after(async () => {
    await gateway.close();
    await worker.close();
  });

  /** The text of a stream as it comes; `until` resolves once it matches. */
  async function open(): Promise<{ until: (pattern: RegExp) => Promise<string>; end: Promise<string> }> {
    const response = await gateway.post(chatBody({ stream: true }));
    let text = "";
    const changed = new EventTarget();
    const end = (async () => {
      for await (const chunk of response.body!) {
        text += Buffer.from(chunk as Uint8Array).toString();
        changed.dispatchEvent(new Event("text"));
      }
      return text;
    })();
    const until = async (pattern: RegExp): Promise<string> => {
      while (!pattern.test(text)) await once(changed, "text");
      return text;
    };
    return { until, end };
  }

  it("says that it waits, before the first token and between two", async () => {
    const opening = open();
    const generation = await worker.next();
    const stream = await opening;
    await stream.until(/^(: waiting\n\n){2}/);
    generation.started();
    generation.token("a");
    await stream.until(/"content":"a".*\n\n: waiting\n\n/s);
    generation.token("b");
    generation.done();
    const text = await stream.end;
    assert.match(text, /"content":"b"/);
    assert.match(text, /data: \[DONE\]\n\n$/);
  });

  it("ends with an error event when it fails after that", async () => {
    const opening = open();
    const generation = await worker.next();
    const stream = await opening;
    await stream.until(/^: waiting/);
    generation.call.json(400, { error: { message: "no", code: "invalid_request" } });
    const text = await stream.end;
    assert.match(text, /data: \{"error":\{"message":"/);
    assert.doesNotMatch(text, /\[DONE\]/);
  });

  it("is understood by the openai client", async () => {
    const opening = gateway.client.chat.completions.create({
      model: "tiny",
      messages: [{ role: "user", content: "Hi" }],
      stream: true,
    });
    const generation = await worker.next();
    const stream = await opening;
    generation.say("a");
    const chunks = await Array.fromAsync(stream);
    assert.equal(chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join(""), "a");
  });
});
