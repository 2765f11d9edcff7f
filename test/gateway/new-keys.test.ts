import assert from "node:assert/strict";
import { test } from "node:test";
import { KeyBook } from "../../src/keys/key-book.ts";
import type { KeyRow } from "../../src/keys/key-table.ts";
import { createSecret, hashSecret, startOf } from "../../src/keys/secret.ts";
import { chatBody, TestGateway } from "./running-gateway.ts";

function newKey(): { secret: string; row: KeyRow } {
  const secret = createSecret();
  const stored = { hash: hashSecret(secret), start: startOf(secret), createdUs: 1, disabledUs: null };
  return { secret, row: { account: "global/acme/alice", role: "spend", version: 1, ...stored } };
}

/** A gateway that finds the key in the file, and may not use it yet; `looked` is called when it has found it. */
async function gatewayThatWaits(looked: (keys: KeyBook) => void): Promise<TestGateway> {
  const keys = new KeyBook([], () => {
    keys.expect();
    looked(keys);
    return false;
  });
  return TestGateway.start({ keys });
}

function ask(gateway: TestGateway, secret: string): Promise<Response> {
  return fetch(`${gateway.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${secret}` },
    body: JSON.stringify(chatBody()),
  });
}

test("a request with a key that may not be used yet waits until it may", async () => {
  const { secret, row } = newKey();
  const gateway = await gatewayThatWaits((keys) => void setImmediate(() => keys.update([row])));
  const response = await ask(gateway, secret);
  assert.notEqual(response.status, 401, await response.text());
  assert.deepEqual(
    gateway.arrived.map(({ tenant, key }) => ({ tenant, key })),
    [{ tenant: "acme", key: "alice" }],
  );
  await gateway.close();
});

test("it is refused when that takes too long, and never taken for one without a key", async () => {
  const gateway = await gatewayThatWaits(() => {});
  const response = await ask(gateway, newKey().secret);
  assert.equal(response.status, 401);
  assert.deepEqual(gateway.arrived, []);
  await gateway.close();
});
