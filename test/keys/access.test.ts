import assert from "node:assert/strict";
import {
  type IncomingMessage,
  request as httpRequest,
  createServer,
  type OutgoingHttpHeaders,
} from "node:http";
import type { AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { after, before, test } from "node:test";
import type { HeadgateError } from "../../src/core/errors.ts";
import { Access, type AccessOptions, assertGuarded, type Caller } from "../../src/gateway/access.ts";
import { KeyBook } from "../../src/keys/key-book.ts";
import type { KeyRow } from "../../src/keys/key-table.ts";
import { createSecret, hashSecret, startOf } from "../../src/keys/secret.ts";

const SECRET = createSecret();
const DISABLED = createSecret();
const NOBODY = { find: () => null, isEmpty: true };
const LOCAL = { tenant: "local", key: null };
const ALICE = { tenant: "acme", key: "alice" };
const KEYS = new KeyBook([row("alice", SECRET, null), row("bob", DISABLED, 5)], () => true);

function row(name: string, secret: string, disabledUs: number | null): KeyRow {
  const version = name === "alice" ? 1 : 2;
  return {
    tenant: "acme",
    name,
    hash: hashSecret(secret),
    start: startOf(secret),
    createdUs: 1,
    disabledUs,
    version,
  };
}

/** Takes real calls and shows them to whoever asks. */
let onRequest: (request: IncomingMessage) => void = () => {};
const server = createServer((request, response) => {
  onRequest(request);
  response.end();
});
before(() => new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve)));
after(() => server.close());

/** What access makes of a call to that address of this machine. */
function call<T>(
  ask: (request: IncomingMessage) => T,
  headers: OutgoingHttpHeaders = {},
  host = "127.0.0.1",
): Promise<T> {
  return new Promise((resolve, reject) => {
    onRequest = (request) => resolve(ask(request));
    const { port } = server.address() as AddressInfo;
    const outgoing = httpRequest({ host, port, headers }, (response) => response.resume());
    outgoing.on("error", reject).end();
  });
}

function accessWith(options: Partial<AccessOptions>): (request: IncomingMessage) => Caller | HeadgateError {
  const access = new Access({ keys: KEYS, keyless: "loopback", host: "127.0.0.1", ...options });
  return (request) => access.identify(request);
}

const bearer = (secret: string): OutgoingHttpHeaders => ({ authorization: `Bearer ${secret}` });
const codeOf = (result: Caller | HeadgateError): string => ("code" in result ? result.code : "none");

test("a key is taken from any of the usual headers", async () => {
  const identify = accessWith({});
  assert.deepEqual(await call(identify, bearer(SECRET)), ALICE);
  assert.deepEqual(await call(identify, { "x-api-key": SECRET }), ALICE);
  assert.deepEqual(await call(identify, { "api-key": SECRET }), ALICE);
});

test("a key that is sent has to be known and enabled, wherever the call comes from", async () => {
  const identify = accessWith({ keyless: "anywhere" });
  assert.equal(codeOf(await call(identify, bearer(createSecret()))), "invalid_api_key");
  assert.equal(codeOf(await call(identify, bearer("unused"))), "invalid_api_key");
  assert.equal(codeOf(await call(identify, bearer(DISABLED))), "invalid_api_key");
  for (const authorization of ["Bearer ", SECRET, "Basic YTpi"]) {
    assert.equal(codeOf(await call(identify, { authorization })), "invalid_api_key", authorization);
  }
});

test("as long as there are no keys, whatever is sent counts as none", async () => {
  assert.deepEqual(await call(accessWith({ keys: NOBODY }), bearer("unused")), LOCAL);
  const refused = await call(accessWith({ keys: NOBODY, keyless: "never" }), bearer("unused"));
  assert.equal(codeOf(refused), "invalid_api_key");
});

test("without a key, it depends on who can connect", async () => {
  assert.deepEqual(await call(accessWith({})), LOCAL);
  assert.equal(codeOf(await call(accessWith({ keyless: "never" }))), "invalid_api_key");
  // Something before a server that others can reach may pass their calls on from this machine.
  assert.equal(codeOf(await call(accessWith({ host: "0.0.0.0" }))), "invalid_api_key");
  assert.deepEqual(await call(accessWith({ host: "0.0.0.0", keyless: "anywhere" })), LOCAL);
});

test("a page in a browser needs a key, unless this machine serves it", async () => {
  const identify = accessWith({});
  const foreign = { origin: "https://example.com" };
  assert.equal(codeOf(await call(identify, foreign)), "origin_not_allowed");
  assert.deepEqual(await call(identify, { ...foreign, ...bearer(SECRET) }), ALICE);
  assert.deepEqual(await call(identify, { origin: "http://localhost:5173" }), LOCAL);
});

test("whoever looks from this machine may; others need a key", async (t) => {
  const access = new Access({ keys: KEYS, keyless: "loopback", host: "0.0.0.0" });
  const look = (request: IncomingMessage): HeadgateError | null => access.mayLook(request);
  assert.equal(await call(look), null);
  const other = otherAddress();
  if (other === undefined) return t.skip("this machine has no address but loopback");
  assert.equal((await call(look, {}, other))?.code, "invalid_api_key");
  assert.equal(await call(look, bearer(SECRET), other), null);
});

/** An address of this machine that is not loopback. */
function otherAddress(): string | undefined {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.find(({ internal, family }) => !internal && family === "IPv4")?.address;
}

function guard(options: Partial<AccessOptions>): void {
  assertGuarded({ keys: NOBODY, keyless: "loopback", host: "0.0.0.0", ...options });
}

test("nobody listens beyond this machine without a key, unless asked to", () => {
  assert.throws(() => guard({}), /headgate keys create/);
  assert.throws(() => guard({ keyless: "never", host: "::" }), /headgate keys create/);
  guard({ keys: KEYS });
  guard({ keyless: "anywhere" });
  guard({ host: "localhost" });
});

test("a flood of wrong secrets costs a bounded number of looks into the file, and each wrong one but one", () => {
  let looks = 0;
  const book = new KeyBook([], () => {
    looks++;
    return true;
  });
  const wrong = createSecret();
  for (let i = 0; i < 10; i++) assert.equal(book.find(wrong), null);
  assert.equal(looks, 1);
  for (let i = 0; i < 200; i++) book.find(createSecret());
  assert.ok(looks < 200, `${looks} looks`);
  book.find("not-one-of-ours");
  assert.ok(looks < 200);
});

test("a secret that could not be looked for is not taken for a wrong one", () => {
  let isReadable = false;
  const secret = createSecret();
  const book = new KeyBook([], () => {
    if (isReadable) book.update([row("alice", secret, null)]);
    return isReadable;
  });
  assert.equal(book.find(secret), null);
  isReadable = true;
  assert.deepEqual(book.find(secret), ALICE);
});
