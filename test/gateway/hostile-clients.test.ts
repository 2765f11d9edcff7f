import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import { assertLoopbackHost, isLoopbackAddress } from "../../src/gateway/loopback.ts";
import { FakeWorker } from "../fakes/fake-worker.ts";
import { chatBody, readAll, TestGateway } from "./running-gateway.ts";

const BODY_BYTES_MAX = 4_096;

interface ErrorBody {
  error: { message: string; type: string; code: string; param: string | null };
}

describe("a hostile or clumsy client", () => {
  let gateway: TestGateway;
  let worker: FakeWorker;
  before(async () => {
    gateway = await TestGateway.start({
      limits: {
        bodyBytesMax: BODY_BYTES_MAX,
        headersTimeoutMs: 100,
        requestTimeoutMs: 200,
        connectionsMax: 50,
      },
    });
    worker = await FakeWorker.start();
    await worker.register(gateway.url);
  });
  after(async () => {
    assert.equal(gateway.shell.open().exchanges, 0);
    assert.equal(worker.server.unread, 0);
    await gateway.close();
    await worker.close();
  });

  for (const [what, body] of [
    ["nothing", ""],
    ["no JSON", "{"],
    ["an array", "[]"],
    ["a string", '"hi"'],
    ["null", "null"],
    ["deep nesting", "[".repeat(4_000)],
  ] as const) {
    it(`that sends ${what} gets 400`, async () => {
      const response = await gateway.post(body);
      assert.equal(response.status, 400);
      const { error } = (await response.json()) as ErrorBody;
      assert.equal(error.code, "invalid_request");
      assert.equal(error.type, "invalid_request_error");
      assert.ok(response.headers.get("x-request-id"));
    });
  }

  it("that sends no UTF-8 gets 400", async () => {
    const body = Buffer.from(JSON.stringify(chatBody({ user: "?" })));
    body[body.indexOf("?")] = 0xff;
    const response = await fetch(`${gateway.url}/v1/chat/completions`, { method: "POST", body });
    assert.equal(response.status, 400);
  });

  it("that declares too long a body gets 413, and the connection is closed", async () => {
    const socket = await gateway.connect();
    socket.write(`POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: ${2 ** 30}\r\n\r\n`);
    const reading = readAll(socket);
    const [answer] = await Promise.all([reading, once(socket, "data").then(() => socket.end())]);
    assert.match(answer, /^HTTP\/1.1 413 .*"code":"body_too_large"/s);
    assert.match(answer, /connection: close/i);
  });

  it("that sends too long a body in chunks can read the 413 to its end", async () => {
    const socket = await gateway.connect();
    socket.write("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    const size = BODY_BYTES_MAX;
    socket.write(`${size.toString(16)}\r\n${"x".repeat(size)}\r\n`);
    socket.write(`800\r\n${"x".repeat(0x800)}\r\n0\r\n\r\n`);
    assert.match(await readAll(socket), /^HTTP\/1.1 413 .*"code":"body_too_large".*}$/s);
  });

  it("that never stops sending is cut off", async () => {
    const socket = await gateway.connect();
    const reading = readAll(socket);
    socket.write("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    const chunk = `400\r\n${"x".repeat(0x400)}\r\n`;
    const send = (): void => {
      if (socket.writable) socket.write(chunk, () => setImmediate(send));
    };
    send();
    await reading;
  });

  it("that asks first is told not to send too long a body", async () => {
    const socket = await gateway.connect();
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: ${2 ** 30}\r\n\r\n`,
    );
    const reading = readAll(socket);
    await once(socket, "data");
    socket.end();
    assert.match(await reading, /^HTTP\/1.1 413 /);
  });

  it("that asks first may send a body that fits", async () => {
    const socket = await gateway.connect();
    const body = JSON.stringify(chatBody({ model: "nobody" }));
    socket.write(
      "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\n" +
        `content-length: ${body.length}\r\n\r\n`,
    );
    const [first] = (await once(socket, "data")) as [Buffer];
    assert.match(first.toString(), /^HTTP\/1.1 100 /);
    const reading = readAll(socket);
    socket.write(body);
    assert.match(await reading, /^HTTP\/1.1 404 .*model_not_found/s);
  });

  for (const [what, bytes] of [
    ["its headers", "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-slow: "],
    ["its body", "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"],
  ] as const) {
    it(`that never finishes ${what} gets 408 and is cut off`, async () => {
      const socket = await gateway.connect();
      socket.write(bytes);
      assert.match(await readAll(socket), /^HTTP\/1.1 408 .*"code":"body_timeout"/s);
    });
  }

  it("that sends too many bytes of headers gets 431", async () => {
    const socket = await gateway.connect();
    socket.write(`GET /healthz HTTP/1.1\r\nhost: x\r\nx-bomb: ${"x".repeat(100_000)}\r\n\r\n`);
    assert.match(await readAll(socket), /^HTTP\/1.1 431 .*"code":"invalid_request"/s);
  });

  it("that speaks no HTTP gets 400", async () => {
    const socket = await gateway.connect();
    socket.write("\u0016\u0003\u0001 TLS hello\r\n\r\n");
    assert.match(await readAll(socket), /^HTTP\/1.1 400 .*"type":"invalid_request_error"/s);
  });

  it("that smuggles a second length gets 400", async () => {
    const socket = await gateway.connect();
    socket.write(
      "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    );
    assert.match(await readAll(socket), /^HTTP\/1.1 400 /);
  });

  it("that opens too many connections is refused the last ones, and the rest is served", async () => {
    const sockets = await Promise.all(Array.from({ length: 60 }, () => gateway.connect()));
    await Promise.race(sockets.map((socket) => once(socket, "close")));
    for (const socket of sockets) socket.destroy();
  });

  it("that goes to an unknown address gets 404 as JSON", async () => {
    const response = await gateway.get("/v1/nothing?x=1");
    assert.equal(response.status, 404);
    assert.equal(((await response.json()) as ErrorBody).error.code, "not_found");
  });

  for (const [method, path, allow] of [
    ["GET", "/v1/chat/completions", "POST"],
    ["DELETE", "/v1/models/tiny", "GET, HEAD"],
    ["POST", "/metrics", "GET, HEAD"],
  ] as const) {
    it(`that uses ${method} on ${path} gets 405 and is told what to use`, async () => {
      const response = await fetch(gateway.url + path, { method });
      assert.equal(response.status, 405);
      assert.equal(response.headers.get("allow"), allow);
      assert.equal(((await response.json()) as ErrorBody).error.code, "method_not_allowed");
    });
  }
});

describe("a page in a browser", () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await TestGateway.start();
  });
  after(() => gateway.close());

  const call = (origin: string): Promise<Response> => {
    const body = JSON.stringify({ model: "nope", messages: [{ role: "user", content: "Hi" }] });
    const headers = { "content-type": "text/plain", origin };
    return fetch(`${gateway.url}/v1/chat/completions`, { method: "POST", headers, body });
  };
  for (const origin of ["https://example.org", "http://127.0.0.1.example.org", "null", "file://"]) {
    it(`of ${origin} may not spend`, async () => {
      const response = await call(origin);
      assert.equal(response.status, 403);
      assert.equal(((await response.json()) as ErrorBody).error.code, "origin_not_allowed");
    });
  }
  for (const origin of ["http://localhost:3000", "http://127.0.0.1:8080", "http://[::1]:5173"]) {
    it(`of ${origin} may`, async () => assert.equal((await call(origin)).status, 404));
  }
});

describe("loopback", () => {
  for (const address of ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"]) {
    it(`has ${address}`, () => assert.ok(isLoopbackAddress(address)));
  }
  for (const address of ["0.0.0.0", "10.0.0.1", "128.0.0.1", "::", "::ffff:10.0.0.1", "fe80::1"]) {
    it(`has not ${address}`, () => assert.ok(!isLoopbackAddress(address)));
  }
  for (const host of ["0.0.0.0", "::", "192.168.1.1", "example.org"]) {
    it(`is the only place to listen: not on ${host}`, () => {
      assert.throws(() => assertLoopbackHost(host), /knows no keys/);
    });
  }
});
