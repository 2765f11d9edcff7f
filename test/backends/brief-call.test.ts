import assert from "node:assert/strict";
import { test } from "node:test";
import { postBriefly } from "../../src/backends/brief-call.ts";
import { UndiciUpstream } from "../../src/backends/undici-upstream.ts";
import { ScriptedServer } from "../fakes/scripted-server.ts";

test("a brief call that is never answered ends at its deadline, and says no more", async () => {
  const server = await ScriptedServer.start();
  const upstream = new UndiciUpstream();
  const told: string[] = [];
  const request = { origin: server.url, path: "/", headers: {}, body: "{}", deadlineMs: 200 };
  postBriefly(upstream, request, {
    head: (status) => told.push(`head ${status}`),
    data: () => {},
    end: () => told.push("end"),
    broken: () => told.push("broken"),
  });
  assert.equal(await (await server.next()).closed, false);
  assert.deepEqual(told, []);
  await upstream.close();
  await server.close();
});

test("a brief call that is answered is like any other", async () => {
  const server = await ScriptedServer.start();
  const upstream = new UndiciUpstream();
  const over = Promise.withResolvers<void>();
  let body = "";
  const request = { origin: server.url, path: "/", headers: {}, body: "{}" };
  postBriefly(upstream, request, {
    head: (status) => assert.equal(status, 200),
    data: (chunk) => (body += chunk.toString()),
    end: over.resolve,
    broken: over.reject,
  });
  (await server.next()).json(200, { ok: true });
  await over.promise;
  assert.equal(body, '{"ok":true}');
  await upstream.close();
  await server.close();
});
