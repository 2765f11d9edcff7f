import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { after, test } from "node:test";
import { Children } from "../../bench/child.ts";
import { chatCall } from "../../bench/data-plane/dialects.ts";
import { Connections } from "../../bench/supervisors/connections.ts";
import { RequestReader } from "../../bench/supervisors/request-reader.ts";
import { ResponseReader } from "../../bench/supervisors/response-reader.ts";

// The lean clients of the supervisors' bench count nothing that was not answered in full, and its upstream answers as a
// server of OpenAI's API does.

const DOCUMENT = 'HTTP/1.1 200 OK\r\nContent-Length: 11\r\nx-a: b\r\n\r\n{"a":"b" }}';
const STREAM = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1a\r\ndata: abcdefghijklmnopqr\r\n\r\n";
const CALL = { path: "/v1/chat/completions", headers: { "x-a": "b" }, body: '{"a":1}', ending: "}}" };

test("a response is whole at its last byte, however it is cut", () => {
  const stream = `${STREAM}E\r\ndata: [DONE]\n\n\r\n0\r\n\r\n`;
  for (const [text, ending] of [
    [DOCUMENT, "}}"],
    [stream, "data: [DONE]\n\n"],
  ] as const) {
    const bytes = Buffer.from(text);
    for (let cut = 1; cut < bytes.length; cut++) {
      const reader = new ResponseReader(ending);
      for (let time = 0; time < 2; time++) {
        assert.equal(reader.read(bytes.subarray(0, cut)), false, `${cut}`);
        assert.equal(reader.read(bytes.subarray(cut)), true, `${cut}`);
      }
    }
    const reader = new ResponseReader(ending);
    const each = Array.from(bytes, (byte) => reader.read(Buffer.of(byte)));
    assert.deepEqual(each.indexOf(true), bytes.length - 1);
  }
});

test("what is not the wanted response throws", () => {
  const refused: [text: string, message: RegExp][] = [
    ["HTTP/1.1 429 Too Many Requests\r\ncontent-length: 2\r\n\r\n{}", /429 Too Many Requests/],
    [`${DOCUMENT}H`, /more came/],
    [DOCUMENT.replace("}}", "} "), /ended with \} $/],
    [`${STREAM}0\r\n\r\n`, /ended with/],
    ["HTTP/1.1 200 OK\r\n\r\n", /no body/],
    [`HTTP/1.1 200 OK\r\nx: ${"y".repeat(20_000)}`, /too long/],
    ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffff\r\n", /too long/],
  ];
  for (const [text, message] of refused) {
    assert.throws(() => new ResponseReader("}}").read(Buffer.from(text)), message);
  }
});

test("a request is whole at its last byte, however it is cut, and nothing else is one", () => {
  const start = "POST /a HTTP/1.1\r\n";
  const bytes = Buffer.from(`${start}Content-Length: 3\r\n\r\nabc`);
  for (let cut = 1; cut < bytes.length; cut++) {
    const reader = new RequestReader(start);
    assert.equal(reader.read(bytes.subarray(0, cut)), "part");
    assert.equal(reader.read(bytes.subarray(cut)), "whole");
    assert.equal(reader.read(bytes), "whole");
  }
  for (const text of [
    `${bytes.toString()}P`,
    "GET /a HTTP/1.1\r\ncontent-length: 1\r\n\r\na",
    `${start}\r\n`,
  ]) {
    assert.equal(new RequestReader(start).read(Buffer.from(text)), "broken");
  }
  assert.equal(new RequestReader(start).read(Buffer.alloc(20_000)), "broken");
});

test("clients send as many calls as are wanted, over as many connections, and keep them", async () => {
  const bodies: string[] = [];
  const ports = new Set<number | undefined>();
  const url = await serve((request, response) => {
    ports.add(request.socket.remotePort);
    request.setEncoding("utf8").on("data", (text: string) => bodies.push(`${request.url} ${text}`));
    request.on("end", () => response.end('{"a":{}}'));
  });
  const connections = new Connections(url);
  await connections.open(3);
  await connections.load(CALL, 10);
  await connections.load(CALL, 10);
  assert.deepEqual(bodies, Array<string>(20).fill('/v1/chat/completions {"a":1}'));
  assert.equal(ports.size, 3);
  await connections.open(0);
});

test("one call that is refused fails the whole load", async () => {
  let count = 0;
  const url = await serve((request, response) => {
    request.resume().on("end", () => {
      count += 1;
      response.writeHead(count === 5 ? 503 : 200).end('{"a":{}}');
    });
  });
  const connections = new Connections(url);
  await connections.open(2);
  await assert.rejects(connections.load(CALL, 10), /call \d+ of 10: HTTP\/1.1 503/);
});

test("so does one whose connection is closed under it", async () => {
  const server = createTcpServer((socket) => socket.once("data", () => socket.end()));
  const connections = new Connections(await listening(server));
  await connections.open(2);
  await assert.rejects(connections.load(CALL, 10), /call 1 of 10: the server closed the connection/);
});

test("the upstream answers with what it was told last", async () => {
  await using children = new Children();
  const upstream = await children.start(new URL("../../bench/supervisors/upstream.ts", import.meta.url));
  const ask = async (): Promise<string> => {
    const { path, headers, body } = chatCall({ endpoint: "remote", streamed: false, tokens: 1 }, null);
    const response = await fetch(`${upstream.url}${path}`, { method: "POST", headers, body });
    return response.text();
  };
  await upstream.ask("answer", { streamed: false, tokens: 3 });
  const { usage } = JSON.parse(await ask()) as { usage: { completion_tokens: number } };
  assert.equal(usage.completion_tokens, 3);
  await upstream.ask("answer", { streamed: true, tokens: 3 });
  const stream = await ask();
  assert.equal(stream.split('"content":" word"').length - 1, 3);
  assert.match(stream, /"completion_tokens":3.+\n\ndata: \[DONE\]\n\n$/);
  await assert.rejects(fetch(upstream.url));
});

async function serve(answer: RequestListener): Promise<string> {
  return listening(createServer(answer));
}

async function listening(server: ReturnType<typeof createTcpServer>): Promise<string> {
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  after(() => server.close());
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}
