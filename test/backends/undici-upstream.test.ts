import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { after, afterEach, before, describe, it } from "node:test";
import { UndiciUpstream } from "../../src/backends/undici-upstream.ts";
import type { UpstreamCall } from "../../src/backends/upstream.ts";
import { ScriptedServer } from "../fakes/scripted-server.ts";

// A connection is free for the next request one turn of the event loop after its last answer.

/** A response as it comes: `head 200`, `data …`, and then `end`, or `broken` and whether the request was sent. */
class Transcript {
  readonly lines: string[] = [];
  readonly over = Promise.withResolvers<void>();
  #seen = Promise.withResolvers<void>();

  head(status: number): void {
    this.#add(`head ${status}`);
  }
  data(chunk: Buffer): void {
    this.#add(`data ${chunk.toString()}`);
  }
  end(): void {
    this.#add("end");
    this.over.resolve();
  }
  broken(_message: string, wasSent: boolean): void {
    this.#add(wasSent ? "broken" : "broken unsent");
    this.over.resolve();
  }

  async until(line: string): Promise<void> {
    while (!this.lines.includes(line)) await this.#seen.promise;
  }

  #add(line: string): void {
    this.lines.push(line);
    this.#seen.resolve();
    this.#seen = Promise.withResolvers();
  }
}

function post(upstream: UndiciUpstream, origin: string): { call: UpstreamCall; transcript: Transcript } {
  const transcript = new Transcript();
  const request = { origin, path: "/", headers: {}, body: "question" };
  return { call: upstream.post(request, transcript), transcript };
}

describe("upstream connections", () => {
  let server: ScriptedServer;
  const upstream = new UndiciUpstream();
  before(async () => (server = await ScriptedServer.start()));
  afterEach(() => assert.equal(server.unread, 0));
  after(async () => {
    await upstream.close();
    await server.close();
  });

  it("carries many streams at once and queues none", async () => {
    const posts = Array.from({ length: 300 }, () => post(upstream, server.url));
    const calls = [];
    // All have to arrive before the first is answered.
    for (const _ of posts) calls.push(await server.next());
    for (const call of calls) call.json(200, "answer");
    await Promise.all(posts.map(({ transcript }) => transcript.over.promise));
    for (const { transcript } of posts)
      assert.deepEqual(transcript.lines, ["head 200", 'data "answer"', "end"]);
  });

  it("reuses a connection", async () => {
    await setImmediate();
    const opened = server.connections;
    const { transcript } = post(upstream, server.url);
    (await server.next()).json(200, 1);
    await transcript.over.promise;
    assert.equal(server.connections, opened);
  });

  it("cancels before the first byte of the answer", async () => {
    const { call, transcript } = post(upstream, server.url);
    const received = await server.next();
    call.abort();
    assert.equal(await received.closed, false);
    assert.deepEqual(transcript.lines, []);
  });

  it("cancels a call that has no connection yet", async () => {
    const lonely = new UndiciUpstream();
    const { call, transcript } = post(lonely, server.url);
    call.abort();
    const next = post(lonely, server.url);
    const received = await server.next();
    received.json(200, 1);
    await next.transcript.over.promise;
    assert.deepEqual(transcript.lines, []);
    await lonely.close();
  });

  it("cancels in mid-answer, and while paused, and gives the connection to nobody else", async () => {
    for (const paused of [false, true]) {
      const { call, transcript } = post(upstream, server.url);
      const received = await server.next();
      received.openStream();
      received.write("one");
      await transcript.until("data one");
      if (paused) call.pause();
      call.abort();
      assert.equal(await received.closed, false);
      assert.deepEqual(transcript.lines, ["head 200", "data one"]);
      const next = post(upstream, server.url);
      (await server.next()).json(200, 1);
      await next.transcript.over.promise;
      assert.deepEqual(next.transcript.lines, ["head 200", "data 1", "end"]);
    }
  });

  it("neither pauses nor resumes a connection that has gone to someone else", async () => {
    const alone = new UndiciUpstream();
    const first = post(alone, server.url);
    (await server.next()).json(200, 1);
    await first.transcript.over.promise;
    await setImmediate();
    const second = post(alone, server.url);
    first.call.pause();
    (await server.next()).json(200, 2);
    await second.transcript.over.promise;
    first.call.abort();
    assert.deepEqual(second.transcript.lines, ["head 200", "data 2", "end"]);
    await alone.close();
  });

  it("says when nobody listens", async () => {
    const closed = await ScriptedServer.start();
    await closed.close();
    const { transcript } = post(upstream, closed.url);
    await transcript.over.promise;
    assert.deepEqual(transcript.lines, ["broken unsent"]);
  });
});

/** A server over bare TCP, which closes connections when it likes. */
class RudeServer {
  readonly origin: string;
  readonly #server: ReturnType<typeof createServer>;
  /** Requests read, over all connections. */
  requests = 0;

  private constructor(
    server: ReturnType<typeof createServer>,
    onRequest: (socket: Socket, n: number) => void,
  ) {
    this.#server = server;
    this.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("connection", (socket: Socket) => {
      let text = "";
      socket.on("error", () => {});
      socket.on("data", (chunk: Buffer) => {
        text += chunk.toString();
        if (!text.endsWith("question")) return;
        text = "";
        this.requests += 1;
        onRequest(socket, this.requests);
      });
    });
  }

  static async start(onRequest: (socket: Socket, n: number) => void): Promise<RudeServer> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    return new RudeServer(server, onRequest);
  }

  async close(): Promise<void> {
    this.#server.close();
    await once(this.#server, "close");
  }
}

const ANSWER = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

describe("a connection closed by the endpoint", () => {
  it("while idle, just as a request is written: the request goes out again, once, on a new one", async () => {
    // The second request meets the end of its connection, as if that had been on its way.
    const server = await RudeServer.start((socket, n) => (n === 2 ? socket.destroy() : socket.write(ANSWER)));
    const upstream = new UndiciUpstream({ staleMs: Infinity });
    const first = post(upstream, server.origin);
    await first.transcript.over.promise;
    await setImmediate();
    const second = post(upstream, server.origin);
    await second.transcript.over.promise;
    assert.deepEqual(second.transcript.lines, ["head 200", "data ok", "end"]);
    assert.equal(server.requests, 3);
    await upstream.close();
    await server.close();
  });

  it("some time after a request was written: it may have been read, and is not sent again", async () => {
    const server = await RudeServer.start((socket, n) => (n === 2 ? socket.destroy() : socket.write(ANSWER)));
    const upstream = new UndiciUpstream({ staleMs: 0 });
    await post(upstream, server.origin).transcript.over.promise;
    await setImmediate();
    const { transcript } = post(upstream, server.origin);
    await transcript.over.promise;
    assert.deepEqual(transcript.lines, ["broken"]);
    assert.equal(server.requests, 2);
    await upstream.close();
    await server.close();
  });

  it("that was new: the request is not sent again", async () => {
    const server = await RudeServer.start((socket) => socket.destroy());
    const upstream = new UndiciUpstream();
    const { transcript } = post(upstream, server.origin);
    await transcript.over.promise;
    assert.deepEqual(transcript.lines, ["broken"]);
    assert.equal(server.requests, 1);
    await upstream.close();
    await server.close();
  });

  it("after the first byte of an answer: the request is not sent again", async () => {
    const server = await RudeServer.start((socket, n) => {
      if (n === 1) socket.write(ANSWER);
      else socket.end("HTTP/1.1 200 OK\r\n");
    });
    const upstream = new UndiciUpstream();
    await post(upstream, server.origin).transcript.over.promise;
    await setImmediate();
    const { transcript } = post(upstream, server.origin);
    await transcript.over.promise;
    assert.deepEqual(transcript.lines, ["broken"]);
    assert.equal(server.requests, 2);
    await upstream.close();
    await server.close();
  });
});
