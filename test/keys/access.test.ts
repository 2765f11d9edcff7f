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
import { SubAccounts } from "../../src/gateway/sub-accounts.ts";
import { KeyBook } from "../../src/keys/key-book.ts";
import type { KeyRole, KeyRow } from "../../src/keys/key-table.ts";
import { createSecret, hashSecret, startOf } from "../../src/keys/secret.ts";
import { ownerOf } from "./owner.ts";

const SECRET = createSecret();
const DISABLED = createSecret();
const NOBODY = { find: () => null, isEmpty: true };
const LOCAL = { tenant: "local", key: null };
const ALICE = { tenant: "acme", key: "alice" };
const READER = createSecret();
const ADMIN = createSecret();
const ROOT_ADMIN = createSecret();
const KEYS = new KeyBook(
  [
    row("acme/alice", SECRET),
    { ...row("acme/bob", DISABLED), disabledUs: 5 },
    row("acme/research/reader", READER, "read"),
    row("acme/lead", ADMIN, "admin"),
    row("ops", ROOT_ADMIN, "admin"),
  ],
  () => true,
);

function row(path: string, secret: string, role: KeyRole = "spend"): KeyRow {
  const stored = { hash: hashSecret(secret), start: startOf(secret), createdUs: 1, disabledUs: null };
  return { account: `global/${path}`, role, ...stored, version: path.length };
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

test("only keys that spend call models; the others say what they are for", async () => {
  const identify = accessWith({});
  for (const secret of [READER, ADMIN, ROOT_ADMIN]) {
    assert.equal(codeOf(await call(identify, bearer(secret))), "key_not_allowed");
  }
});

/** Of a call with a good key that names levels below it. */
const below = (account: string): OutgoingHttpHeaders => ({
  ...bearer(SECRET),
  "x-headgate-account": account,
});

test("a request may be charged to levels below its key, four at most", async () => {
  const identify = accessWith({});
  assert.deepEqual(await call(identify, below("agent-7/task-3")), {
    ...ALICE,
    account: "global/acme/alice/agent-7/task-3",
  });
  assert.deepEqual(await call(identify, { "x-headgate-account": "cron" }), {
    ...LOCAL,
    account: "global/local/cron",
  });
  for (const wrong of ["", "a/b/c/d/e", "../bob", "a//b", "x".repeat(65), "a b"]) {
    const refused = await call(identify, below(wrong));
    assert.equal(codeOf(refused), "invalid_request", wrong);
  }
});

test("a payer names a bounded number of accounts, and goes on with those it has", async () => {
  const subAccounts = new SubAccounts();
  const read = (name: string, payer = "global/acme/alice"): string | HeadgateError | null => {
    return subAccounts.read({ "x-headgate-account": name }, payer);
  };
  let named = 0;
  while (typeof read(`run-${named}`) === "string") named++;
  assert.equal(named, 10_000);
  assert.equal(read("run-0"), "global/acme/alice/run-0");
  assert.equal(read("run-0", "global/acme/carol"), "global/acme/carol/run-0");
});

test("who sees whose money follows from the key", async () => {
  const access = new Access({ keys: KEYS, keyless: "never", host: "127.0.0.1" });
  const scope = (request: IncomingMessage): string | HeadgateError => access.scopeOf(request);
  assert.equal(await call(scope, bearer(SECRET)), "global/acme/alice");
  assert.equal(await call(scope, bearer(READER)), "global/acme/research");
  assert.equal(await call(scope, bearer(ADMIN)), "global/acme");
  assert.equal(await call(scope, bearer(ROOT_ADMIN)), "global");
  assert.equal(((await call(scope)) as HeadgateError).code, "invalid_api_key");
  const open = new Access({ keys: KEYS, keyless: "loopback", host: "127.0.0.1" });
  assert.equal(await call((request) => open.scopeOf(request)), "global");
});

test("a secret that is sent counts on this machine, too, as soon as there is any key", async () => {
  const access = new Access({ keys: KEYS, keyless: "loopback", host: "127.0.0.1" });
  const scope = (request: IncomingMessage): string | HeadgateError => access.scopeOf(request);
  const change = (request: IncomingMessage): HeadgateError | null => access.mayChange(request);
  assert.equal(await call(scope, bearer(SECRET)), "global/acme/alice");
  assert.equal(await call(scope, bearer(READER)), "global/acme/research");
  for (const secret of [createSecret(), "hg-bogus", DISABLED]) {
    for (const ask of [scope, change, (request: IncomingMessage) => access.mayLook(request)]) {
      assert.equal(((await call<unknown>(ask, bearer(secret))) as HeadgateError).code, "invalid_api_key");
    }
  }
  assert.equal(await call(change), null);
  assert.equal((await call(change, bearer(SECRET)))?.code, "key_not_allowed");
  assert.equal(await call(change, bearer(ROOT_ADMIN)), null);
  const unguarded = new Access({ keys: NOBODY, keyless: "loopback", host: "127.0.0.1" });
  assert.equal(await call((request) => unguarded.scopeOf(request), bearer("unused")), "global");
  assert.equal(await call((request) => unguarded.mayChange(request), bearer("unused")), null);
});

test("keys and limits are managed with an admin key only, and policies with one of the root where keys are needed", async () => {
  for (const keyless of ["loopback", "never", "anywhere"] as const) {
    const access = new Access({ keys: KEYS, keyless, host: "127.0.0.1" });
    const asked = (headers: OutgoingHttpHeaders): Promise<unknown> => {
      return call((request) => access.administrator(request), headers);
    };
    assert.equal(codeOf((await asked({})) as Caller), "invalid_api_key");
    assert.equal(codeOf((await asked(bearer(createSecret()))) as Caller), "invalid_api_key");
    assert.equal(codeOf((await asked(bearer(SECRET))) as Caller), "key_not_allowed");
    assert.equal(codeOf((await asked(bearer(READER))) as Caller), "key_not_allowed");
    assert.deepEqual(await asked(bearer(ADMIN)), { key: "global/acme/lead", scope: "global/acme" });
  }
  const access = new Access({ keys: KEYS, keyless: "never", host: "127.0.0.1" });
  const change = (request: IncomingMessage): HeadgateError | null => access.mayChange(request);
  assert.equal((await call(change, bearer(SECRET)))?.code, "key_not_allowed");
  assert.equal((await call(change, bearer(ADMIN)))?.code, "key_not_allowed");
  assert.equal(await call(change, bearer(ROOT_ADMIN)), null);
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
    if (isReadable) book.update([row("acme/alice", secret)]);
    return isReadable;
  });
  assert.equal(book.find(secret), null);
  isReadable = true;
  assert.deepEqual(book.find(secret), ownerOf("acme/alice"));
});
