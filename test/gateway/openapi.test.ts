import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { z } from "zod";
import { OPERATIONS } from "../../src/gateway/openapi/operations.ts";
import type { Operation } from "../../src/gateway/openapi/operations.ts";
import { Routes } from "../../src/gateway/routes.ts";
import { FakeWorker } from "../fakes/fake-worker.ts";
import type { FakeGeneration } from "../fakes/fake-worker.ts";
import { chatBody, TestGateway } from "./running-gateway.ts";

/** More than the limit allows. */
const LONG = "x".repeat(5_000);

function operation(path: string): Operation {
  const found = OPERATIONS.find((one) => one.path === path);
  assert.ok(found, path);
  return found;
}

function check(schema: z.ZodType | null | undefined, value: unknown): void {
  assert.ok(schema);
  const result = schema.safeParse(value);
  assert.ok(result.success, `${JSON.stringify(value)}: ${result.error?.message}`);
}

describe("the description of the interface", () => {
  let gateway: TestGateway;
  let worker: FakeWorker;
  before(async () => {
    const account = "global/local";
    gateway = await TestGateway.start({
      budgets: [{ account, unit: "tokens", window: "day", amount: "5000" }],
    });
    worker = await FakeWorker.start();
    await worker.register(gateway.url);
  });
  after(async () => {
    await gateway.close();
    await worker.close();
  });

  it("has every address that is served, and no other", () => {
    const routes = new Routes({
      shell: gateway.shell,
      inspect: () => assert.fail("nothing is asked for"),
      bodyBytesMax: 1,
      startedMs: 0,
    });
    const served = routes.list().map(({ method, path }) => `${method} ${path}`);
    const described = OPERATIONS.map(({ method, path }) => `${method} ${path}`);
    assert.deepEqual(described.toSorted(), served.toSorted());
  });

  it("refers to nothing that it does not have", async () => {
    const text = await (await gateway.get("/openapi.json")).text();
    const document = JSON.parse(text) as { openapi: string; components: { schemas: object } };
    assert.equal(document.openapi, "3.1.0");
    const references = [...text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(
      ([, name]) => name!,
    );
    assert.ok(references.length > 20);
    for (const name of references) assert.ok(Object.hasOwn(document.components.schemas, name), name);
    assert.doesNotMatch(text, /"\$ref":"(?!#\/components\/schemas\/)/);
  });

  for (const path of [
    "/v1/models",
    "/readyz",
    "/headgate/status",
    "/coordinator/health/workers",
    "/coordinator/health/workers/available",
  ]) {
    it(`holds for the answer of ${path}`, async () => {
      const response = await gateway.get(path);
      assert.equal(response.status, 200);
      check(operation(path).answer["application/json"], await response.json());
    });
  }

  it("holds for a model", async () => {
    const response = await gateway.get("/v1/models/tiny");
    check(operation("/v1/models/{model}").answer["application/json"], await response.json());
    const missing = await gateway.get("/v1/models/none");
    assert.equal(missing.status, 404);
    check(operation("/v1/models/{model}").error, await missing.json());
  });

  it("holds for the reports of workers", async () => {
    const path = "/coordinator/health/heartbeat";
    const report = worker.heartbeat();
    check(operation(path).request, report);
    const answer = await fetch(gateway.url + path, { method: "POST", body: JSON.stringify(report) });
    check(operation(path).answer["application/json"], await answer.json());
    const refused = await fetch(gateway.url + path, { method: "POST", body: "{}" });
    assert.equal(refused.status, 400);
    check(operation(path).error, await refused.json());
  });

  const logprob = { id: 1, token: "a", bytes: [97], logprob: -1 };
  const speak = (generation: FakeGeneration): void => {
    generation.started();
    generation.token("a", 0, { logprobs: [{ ...logprob, top: [logprob] }] });
    generation.token('<tool_call>{"name":"f","arguments":{}}</tool_call>');
    generation.done();
  };
  const tools = [{ type: "function", function: { name: "f" } }];
  for (const [path, body, unaffordable] of [
    [
      "/v1/chat/completions",
      chatBody({ tools, logprobs: true, top_logprobs: 1 }),
      { messages: [{ role: "user", content: LONG }] },
    ],
    ["/v1/completions", { model: "tiny", prompt: "Once", logprobs: 1 }, { prompt: LONG }],
  ] as [string, object, object][]) {
    it(`holds for ${path}, answered as a whole, streamed and refused`, async () => {
      const { request, answer, error, errors, answerHeaders } = operation(path);
      const post = (changes: object): Promise<Response> => {
        return fetch(gateway.url + path, { method: "POST", body: JSON.stringify({ ...body, ...changes }) });
      };
      check(request, body);
      const whole = post({});
      speak(await worker.next());
      const response = await whole;
      check(answer["application/json"], await response.json());
      const headers = [...response.headers.keys()].filter((name) => name.startsWith("x-headgate"));
      assert.deepEqual(headers, ["x-headgate-cost-usd", "x-headgate-remaining-tokens"]);
      assert.ok(headers.every((name) => name.replace("-tokens", "-usd") in answerHeaders!));

      const streamed = post({ stream: true, stream_options: { include_usage: true } });
      speak(await worker.next());
      const text = await (await streamed).text();
      const frames = text.split("\n\n").filter((frame) => frame.startsWith("data: {"));
      assert.ok(frames.length > 3);
      for (const frame of frames) check(answer["text/event-stream"], JSON.parse(frame.slice(6)));

      for (const changes of [{ n: 0 }, { model: "none" }, unaffordable]) {
        const refused = await post(changes);
        assert.ok(errors.includes(refused.status), String(refused.status));
        check(error, await refused.json());
      }
    });
  }

  it("holds for the coordinator's own words", async () => {
    const path = "/coordinator/infer";
    const { request, answer, error } = operation(path);
    const body = { prompt: "Hi", model: "tiny", max_tokens: 5 };
    check(request, body);
    const answered = fetch(gateway.url + path, { method: "POST", body: JSON.stringify(body) });
    (await worker.next()).say("a");
    const text = await (await answered).text();
    const frames = text.split("\n\n").filter((frame) => frame !== "");
    for (const frame of frames) check(answer["text/event-stream"], JSON.parse(frame.slice(6)));
    const refused = await fetch(gateway.url + path, { method: "POST", body: "{}" });
    check(error, await refused.json());
  });
});
