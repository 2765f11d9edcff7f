import assert from "node:assert/strict";
import { hostname } from "node:os";
import { describe, test } from "node:test";
import { request } from "undici";
import type { Engine } from "../../src/worker/engine.ts";
import { runWorker } from "../../src/worker/run.ts";
import { assembleWorker } from "../../src/worker/worker.ts";
import { generateBody, MODEL, SILENT, startWorker } from "./harness.ts";

void describe("access to a worker", () => {
  void test("an address that other machines reach is refused before a model is loaded", async () => {
    for (const host of ["0.0.0.0", "::", "192.168.1.1", "example.org"]) {
      const progress: number[] = [];
      const options = { host, port: 0, models: [MODEL], log: SILENT };
      const started = runWorker({ ...options, onProgress: (_, fraction) => progress.push(fraction) });
      await assert.rejects(started, /knows no keys/, host);
      assert.deepEqual(progress, []);
    }
  });

  void test("pages of other sites may not call; pages of this machine and programs may", async () => {
    await using worker = await startWorker();
    const chat = { model: "tiny", messages: [{ role: "user", content: "Hi" }], max_tokens: 1 };
    const calls: [string, object][] = [
      ["/v1/chat/completions", chat],
      ["/worker/generate", generateBody()],
    ];
    const statusFor = async (path: string, body: object, origin: Record<string, string>): Promise<number> => {
      const answer = await request(`${worker.worker.url}${path}`, {
        method: "POST",
        headers: { "content-type": "text/plain", ...origin },
        body: JSON.stringify(body),
      });
      const text = await answer.body.text();
      if (answer.statusCode === 403) assert.equal(JSON.parse(text).error.code, "origin_not_allowed");
      return answer.statusCode;
    };
    for (const [path, body] of calls) {
      for (const origin of ["https://example.org", "null", "http://127.0.0.1.example.org"]) {
        assert.equal(await statusFor(path, body, { origin }), 403, `${path} from ${origin}`);
      }
      assert.equal(await statusFor(path, body, { origin: "http://localhost:8080" }), 200);
      assert.equal(await statusFor(path, body, {}), 200);
    }
  });
});

void describe("a worker without a name", () => {
  void test("is named after its address, the same after a restart", () => {
    assert.equal(idAt(undefined), `${hostname()}:3001`);
    assert.equal(idAt(4000), `${hostname()}:4000`);
  });

  void test("is named after its process where the system chooses the port", () => {
    assert.equal(idAt(0), `${hostname()}-${process.pid}`);
  });
});

function idAt(port: number | undefined): string {
  const engine: Engine = { models: [], close: () => Promise.resolve() };
  const options = { models: [], log: SILENT, ...(port === undefined ? {} : { port }) };
  return assembleWorker({ receipts: null, engine, options, onChange: () => {} }).identity.workerId;
}
