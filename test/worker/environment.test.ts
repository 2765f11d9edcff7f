import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";
import { describe, test } from "node:test";
import { MODEL } from "./harness.ts";

const MAIN = resolve(import.meta.dirname, "../../src/cli/main.ts");

void describe("headgate worker", () => {
  void test("takes its settings from the environment and from options", async () => {
    const supervisor = await listening();
    const port = await freePort();
    const labels = ["--label", "region=eu", "capability=tools", "--label", "capability=vision"];
    const child = spawn(process.execPath, [MAIN, "worker", "--threads", "1", "--role", "decode", ...labels], {
      stdio: "ignore",
      env: {
        ...process.env,
        PORT: String(port),
        HOST: "localhost",
        WORKER_ID: "worker-of-the-environment",
        WORKER_URL: `http://localhost:${port}/`,
        COORDINATOR_URL: supervisor.url,
        MODEL_PATH: MODEL.path,
      },
    });
    const exited = once(child, "exit");
    const heartbeat = await Promise.race([supervisor.firstHeartbeat, exited]);
    assert.ok(!Array.isArray(heartbeat), "the worker ended before it reported");
    assert.deepEqual(
      [heartbeat["worker_id"], heartbeat["worker_url"]],
      ["worker-of-the-environment", `http://localhost:${port}/`],
    );
    assert.deepEqual(
      [heartbeat["role"], heartbeat["labels"]],
      ["decode", { region: "eu", capability: "tools,vision" }],
    );
    const answer = await fetch(`http://localhost:${port}/worker/health`);
    const health = (await answer.json()) as { worker_id: string; models: { model: string }[] };
    assert.equal(health.worker_id, "worker-of-the-environment");
    assert.deepEqual(
      health.models.map(({ model }) => model),
      ["headgate-0.3m"],
    );
    child.kill("SIGTERM");
    assert.deepEqual(await exited, [0, null]);
    supervisor.close();
  });

  for (const [variable, value, said] of [
    ["PORT", "many", /PORT/],
    ["HOST", "0.0.0.0", /0\.0\.0\.0/],
    ["MODEL_PATH", "/nonexistent.gguf", /nonexistent\.gguf/],
  ] as const) {
    void test(`says what is wrong with ${variable}`, async () => {
      const env = { ...process.env, PORT: "0", MODEL_PATH: MODEL.path, [variable]: value };
      const child = spawn(process.execPath, [MAIN, "worker", "--threads", "1"], {
        stdio: ["ignore", "ignore", "pipe"],
        env,
      });
      let output = "";
      child.stderr.on("data", (data: Buffer) => (output += data.toString()));
      const [code] = (await once(child, "close")) as [number];
      assert.equal(code, 1);
      assert.match(output, said);
    });
  }
});

/** A supervisor that acknowledges everything. */
async function listening(): Promise<{
  url: string;
  firstHeartbeat: Promise<Record<string, unknown>>;
  close: () => void;
}> {
  const { promise, resolve: received } = Promise.withResolvers<Record<string, unknown>>();
  const server = createServer((request, response) => {
    void bodyOf(request).then((body) => {
      if (request.url === "/coordinator/health/heartbeat") received(body);
      return response.end('{"ack": true}');
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, firstHeartbeat: promise, close: () => server.close() };
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
}

/** Nobody listens there just now. */
async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
