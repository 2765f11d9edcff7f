import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { TestGateway } from "./running-gateway.ts";

const CHAT = "/v1/chat/completions";
const MESSAGES = '"messages":[{"role":"user","content":"x"}]';

function nested(depth: number, inner = ""): string {
  return "[".repeat(depth) + inner + "]".repeat(depth);
}

describe("a body made to break what reads it", () => {
  let gateway: TestGateway;
  before(async () => {
    // Never called: nothing here gets so far.
    const remote = { name: "remote", url: "http://127.0.0.1:9/v1", apiKey: null, models: { big: "other" } };
    gateway = await TestGateway.start({ remotes: [remote] });
  });
  after(() => gateway.close());

  const deep = nested(100_000);
  for (const [what, path, body] of [
    ["a content", CHAT, `{"model":"tiny","messages":[{"role":"user","content":${deep}}]}`],
    ["a tool's schema", CHAT, `{"model":"tiny",${MESSAGES},"tools":${deep}}`],
    ["a format", CHAT, `{"model":"tiny",${MESSAGES},"response_format":${deep}}`],
    ["what only a remote API would read", CHAT, `{"model":"big",${MESSAGES},"metadata":${deep}}`],
    ["a completion's field", "/v1/completions", `{"model":"big","prompt":"x","metadata":${deep}}`],
    ["the model of a prompt", "/coordinator/infer", `{"model":${deep},"prompt":"x","max_tokens":1}`],
  ] as const) {
    it(`is refused when ${what} is nested too deep`, async () => {
      const response = await fetch(gateway.url + path, { method: "POST", body });
      assert.equal(response.status, 400);
      assert.match(await response.text(), /more than 64 deep/);
      assert.equal((await gateway.get("/healthz")).status, 200);
    });
  }

  it("may have brackets in its texts, and be nested as deep as 64", async () => {
    const content = JSON.stringify(`${"[".repeat(100)}\\"${"{".repeat(100)}`);
    const body = (depth: number): string =>
      `{"model":"tiny","messages":[{"role":"user","content":${content}}],"metadata":${nested(depth)}}`;
    assert.equal((await gateway.post(body(64))).status, 400);
    // Read, and then there is no worker.
    assert.equal((await gateway.post(body(63))).status, 503);
  });

  it("is refused in order when indenting its tools would make a string that can't be", async () => {
    const zeros = "0,".repeat(3_000_000);
    const body = `{"model":"tiny",${MESSAGES},"tools":${nested(50, `${zeros}0`)}}`;
    const response = await gateway.post(body);
    assert.equal(response.status, 400);
    const { error } = (await response.json()) as { error: { param: string } };
    assert.equal(error.param, "tools[0]");
  });
});

describe("a fault of our own", () => {
  it("fails the call that meets it, and nobody else's", async () => {
    const gateway = await TestGateway.start({
      keys: {
        find: () => {
          throw new Error("the file is gone");
        },
        isEmpty: false,
      },
    });
    const headers = { authorization: "Bearer secret" };
    const refused = await fetch(gateway.url + CHAT, { method: "POST", headers, body: "{}" });
    assert.equal(refused.status, 500);
    const { error } = (await refused.json()) as { error: { code: string; message: string } };
    assert.equal(error.code, "internal");
    assert.doesNotMatch(error.message, /file is gone/);

    // Once the body is there, the handler runs on its own.
    gateway.shell.infer.handle = () => {
      throw new Error("a mistake");
    };
    const infer = await fetch(`${gateway.url}/coordinator/infer`, { method: "POST", body: "{}" });
    assert.equal(infer.status, 500);
    assert.equal((await gateway.get("/healthz")).status, 200);
    await gateway.close();
  });

  it("fails the attempt that meets it where a request is put into words for an endpoint", async () => {
    // A server that can't be addressed: the configuration would refuse it.
    const remote = { name: "remote", url: "no address", apiKey: null, models: { big: "big" } };
    const gateway = await TestGateway.start({ remotes: [remote] });
    const response = await gateway.post(`{"model":"big",${MESSAGES}}`);
    assert.equal(response.status, 502);
    await gateway.quiet();
    assert.equal(gateway.settled.at(-1)?.reason, "endpoint_error");
    assert.equal(gateway.settled.at(-1)?.charged.nanoUsd, 0);
    await gateway.close();
  });
});
