import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { pino } from "pino";
import { AdminDesk } from "../../src/administration/desk.ts";
import { OPERATIONS } from "../../src/gateway/openapi/operations.ts";
import { KeyBook } from "../../src/keys/key-book.ts";
import { createKey, type KeyRole, readKeys } from "../../src/keys/key-table.ts";
import { readLimits, writeLimit } from "../../src/ledger/limit-table.ts";
import { LedgerFile } from "../administration/ledger-file.ts";
import { TestGateway } from "./running-gateway.ts";

/** A real gateway whose keys and limits are in a real ledger. */
let ledger: LedgerFile;
let desk: AdminDesk;
let gateway: TestGateway;
const secrets: Record<string, string> = {};

function key(path: string, role: KeyRole): void {
  const secret = createKey(ledger.database, { account: `global/${path}`, role });
  assert.ok(typeof secret === "string");
  secrets[path] = secret;
}

before(async () => {
  ledger = new LedgerFile();
  key("ops", "admin");
  key("acme/lead", "admin");
  key("acme/research/auditor", "read");
  key("acme/research/alice", "spend");
  key("other/bob", "spend");
  ledger.spend("global/acme/research/alice/agent-7", { at: "2026-10-05T10:00:00Z", nanoUsd: 2_500_000_000 });
  ledger.spend("global/other/bob", { at: "2026-10-06T10:00:00Z", nanoUsd: 7 });
  writeLimit(ledger.database, { account: "global/other", unit: "usd", window: "total", amount: "5" });
  const look = (): boolean => {
    keys.update(readKeys(ledger.database, { after: 0 }));
    return true;
  };
  const keys: KeyBook = new KeyBook(readKeys(ledger.database, { after: 0 }), look);
  desk = new AdminDesk({ path: ledger.path, log: pino({ level: "silent" }) });
  gateway = await TestGateway.start({ keys, keyless: "never", administration: desk });
});
after(async () => {
  await gateway.close();
  await desk.close();
  ledger.close();
});

interface Answer {
  status: number;
  document: Record<string, unknown>;
}

/** Asks as the holder of that key; what comes back has to be as it is described. */
async function ask(who: string, method: string, path: string, body?: object): Promise<Answer> {
  const response = await fetch(gateway.url + path, {
    method,
    headers: { authorization: `Bearer ${secrets[who]}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const document = (await response.json()) as Answer["document"];
  const described = OPERATIONS.find((one) => one.method === method && matches(one.path, path.split("?")[0]!));
  if (described !== undefined) {
    const isFine = response.status === 200;
    const schema = isFine ? described.answer["application/json"] : described.error;
    const checked = schema!.safeParse(document);
    assert.ok(checked.success, `${JSON.stringify(document)}: ${checked.error?.message}`);
    assert.ok(isFine || described.errors.includes(response.status), `${path} ${response.status}`);
  }
  return { status: response.status, document };
}

function matches(described: string, path: string): boolean {
  return new RegExp(`^${described.replace("{account}", ".+")}$`).test(path);
}

async function refused(asked: Promise<Answer>): Promise<[status: number, code: unknown, param: unknown]> {
  const { status, document } = await asked;
  const { code, param } = document["error"] as { code: unknown; param: unknown };
  return [status, code, param];
}

async function accountsIn(who: string, list: string): Promise<unknown[]> {
  const { document } = await ask(who, "GET", `/admin/${list}`);
  return (document[list] as { account: string }[]).map(({ account }) => account);
}

function setRequests(who: string, account: string): Promise<Answer> {
  return ask(who, "PUT", "/admin/budgets", { account, unit: "requests", amount: 5 });
}

const RESEARCH = {
  account: "acme/research",
  unit: "usd",
  amount: "500",
  window: "month",
  zone: "Europe/Berlin",
};

describe("limits by HTTP", () => {
  it("are set with thresholds, shown, kept in the history, and removed", async () => {
    const thresholds = [
      { percent: 80, action: "notify", priority: null },
      { percent: 90, action: "shorten", priority: null, max_tokens: 512 },
    ];
    const set = await ask("acme/lead", "PUT", "/admin/budgets", { ...RESEARCH, thresholds });
    const stored = {
      account: "global/acme/research",
      unit: "usd",
      window: "month@Europe/Berlin",
    };
    assert.deepEqual(set, { status: 200, document: { ...stored, thresholds, limit: "500" } });
    const { limits } = readLimits(ledger.database, { after: 0 });
    assert.deepEqual(
      limits.find(({ account }) => account === stored.account),
      {
        ...stored,
        amount: "500000000000",
        thresholds: [thresholds[0], { percent: 90, action: "shorten", priority: null, maxTokens: 512 }],
      },
    );
    const { document } = await ask("acme/research/auditor", "GET", "/admin/budgets");
    const [line] = document["budgets"] as Record<string, unknown>[];
    assert.deepEqual(
      [line!["account"], line!["limit"], line!["thresholds"]],
      [stored.account, "500", thresholds],
    );
    const place = "account=acme/research&unit=usd&window=month&zone=Europe/Berlin";
    assert.equal((await ask("acme/lead", "DELETE", `/admin/budgets?${place}`)).document["limit"], null);
    assert.deepEqual(await refused(ask("acme/lead", "DELETE", `/admin/budgets?${place}`)), [
      404,
      "not_found",
      null,
    ]);
    const history = (await ask("acme/lead", "GET", "/admin/history")).document["history"];
    assert.deepEqual(
      (history as { by: string; before: unknown; after: unknown }[]).map(({ by, before: was, after: is }) => [
        by,
        was,
        is,
      ]),
      [
        ["key acme/lead", { limit: "500", thresholds }, null],
        ["key acme/lead", null, { limit: "500", thresholds }],
      ],
    );
  });

  it("are set below the account that the key is for, and nowhere else", async () => {
    assert.equal((await setRequests("acme/lead", "acme/research/alice")).status, 200);
    for (const account of ["acme", "other", "other/bob", "global", "acme2"]) {
      assert.deepEqual(
        await refused(setRequests("acme/lead", account)),
        [403, "key_not_allowed", "account"],
        account,
      );
    }
    assert.equal((await setRequests("ops", "global")).status, 200);
    assert.equal((await setRequests("ops", "acme")).status, 200);
    for (const who of ["acme/research/auditor", "acme/research/alice"]) {
      assert.deepEqual(await refused(setRequests(who, "acme/research/alice")), [
        403,
        "key_not_allowed",
        null,
      ]);
    }
    secrets["nobody"] = "hg-nobody";
    assert.deepEqual(await refused(setRequests("nobody", "acme")), [401, "invalid_api_key", null]);
  });

  for (const [what, change, param, message] of [
    ["unit", { unit: "euro" }, "unit", /no unit "euro"; choose among/],
    ["amount", { amount: "five" }, "amount", /"five" is no amount of usd/],
    ["zone", { zone: "Berlin" }, "zone", /did you mean Europe\/Berlin\?/],
    ["window", { window: "fortnight" }, "window", /"fortnight" is no window/],
    ["threshold", { thresholds: [{ percent: 101, action: "stop" }] }, "thresholds", /from 1 to 100/],
    ["account", { account: "../x" }, "account", /write global, a tenant/],
    ["word", { per: "month" }, "per", /no such setting/],
    ["kind of unit", { unit: 7 }, "unit", /unit: give text/],
    ["absence of a unit", { unit: undefined }, "unit", /unit: is missing: give text/],
    ["ceiling", { thresholds: [{ percent: 9, action: "shorten" }] }, "thresholds", /--shorten 80:512/],
    [
      "ceiling of something else",
      { thresholds: [{ percent: 9, action: "stop", max_tokens: 5 }] },
      "thresholds",
      /is for `shorten`/,
    ],
    [
      "ceiling that never counts",
      {
        thresholds: [
          { percent: 50, action: "shorten", max_tokens: 64 },
          { percent: 80, action: "shorten", max_tokens: 64 },
        ],
      },
      "thresholds",
      /64 tokens at 80 % can never count/,
    ],
    ["list", { thresholds: "80" }, "thresholds", /thresholds: give a list/],
    ["percentage", { thresholds: [{ percent: 0, action: "stop" }] }, "thresholds.0.percent", /at least 1/],
    ["action", { thresholds: [{ percent: 9, action: "halt" }] }, "thresholds.0.action", /choose among/],
    [
      "band",
      { thresholds: [{ percent: 90, action: "hold_low_priority", priority: "nope" }] },
      "thresholds",
      /no band "nope"; choose among high, low, normal/,
    ],
  ] as [string, object, string, RegExp][]) {
    it(`are refused for a wrong ${what}, in words that say what to write`, async () => {
      const asked = ask("acme/lead", "PUT", "/admin/budgets", { ...RESEARCH, ...change });
      assert.deepEqual(await refused(asked), [400, "invalid_request", param]);
      assert.match(((await asked).document["error"] as { message: string }).message, message);
    });
  }
});

function createByHttp(who: string, account: string, role: KeyRole): Promise<Answer> {
  return ask(who, "POST", "/admin/keys", { account, role });
}

describe("keys by HTTP", () => {
  it("are created with limits, rotated, disabled and enabled", async () => {
    const created = await ask("acme/lead", "POST", "/admin/keys", {
      account: "acme/research/carol",
      limits: [{ unit: "usd", amount: "0.5", window: "day" }],
    });
    assert.equal(created.status, 200);
    secrets["carol"] = created.document["secret"] as string;
    assert.deepEqual(await accountsIn("carol", "keys"), ["global/acme/research/carol"]);
    const rotated = await ask("acme/lead", "POST", "/admin/keys/acme/research/carol/rotate");
    assert.notEqual(rotated.document["secret"], secrets["carol"]);
    const disabled = await ask("acme/lead", "POST", "/admin/keys/acme%2Fresearch%2Fcarol/disable");
    assert.equal(disabled.document["status"], "disabled");
    const enabled = await ask("acme/lead", "POST", "/admin/keys/acme/research/carol/enable");
    assert.equal(enabled.document["status"], "enabled");
    assert.deepEqual(await refused(ask("acme/lead", "POST", "/admin/keys/acme/nobody/rotate")), [
      404,
      "not_found",
      null,
    ]);
    const taken = ask("acme/lead", "POST", "/admin/keys", { account: "acme/research/carol" });
    assert.deepEqual(await refused(taken), [400, "invalid_request", "account"]);
  });

  it("are managed where the administrator's key is, and below", async () => {
    assert.equal((await createByHttp("acme/lead", "acme/deputy", "admin")).status, 200);
    for (const [account, role] of [
      ["other/eve", "spend"],
      ["mallory", "admin"],
    ] as const) {
      const outside = await refused(createByHttp("acme/lead", account, role));
      assert.deepEqual(outside, [403, "key_not_allowed", "account"]);
    }
    const rotate = ask("acme/lead", "POST", "/admin/keys/ops/rotate");
    assert.deepEqual(await refused(rotate), [403, "key_not_allowed", "account"]);
    assert.deepEqual(await refused(createByHttp("ops", "eve", "spend")), [400, "invalid_request", "account"]);
    assert.equal((await createByHttp("ops", "new/eve", "spend")).status, 200);
  });
});

/** What `GET /admin/accounts` says of an account under which 2.5 USD were spent by one request. */
function accountLine(account: string, level: string, limits: number): object {
  const counts = { requests: 1, input_tokens: 0, output_tokens: 0, gpu_seconds: "0" };
  return { account, level, limits, used_usd: "2.5", held_usd: "0", ...counts };
}

describe("keys that can't be", () => {
  const limit = { unit: "usd", amount: "1", window: "day" };
  for (const [what, body, param, message] of [
    ["with the same limit twice", { limits: [limit, { ...limit, amount: 2 }] }, "limits", /given twice/],
    ["that read, with limits", { role: "read", limits: [limit] }, "limits", /role read spends nothing/],
    ["that administer, with limits", { role: "admin", limits: [limit] }, "limits", /role admin spends/],
  ] as [string, object, string, RegExp][]) {
    it(`are those ${what}`, async () => {
      const asked = ask("ops", "POST", "/admin/keys", { account: "acme/dora", ...body });
      assert.deepEqual(await refused(asked), [400, "invalid_request", param]);
      assert.match(((await asked).document["error"] as { message: string }).message, message);
      assert.ok(!(await accountsIn("ops", "keys")).includes("global/acme/dora"));
    });
  }

  it("are not changed by calls with parameters that nobody reads", async () => {
    for (const verb of ["rotate", "disable", "enable"]) {
      const asked = ask("ops", "POST", `/admin/keys/acme/lead/${verb}?dry_run=true`);
      assert.deepEqual(await refused(asked), [400, "invalid_request", "dry_run"], verb);
    }
    const body = { account: "acme/dora" };
    assert.deepEqual(await refused(ask("ops", "POST", "/admin/keys?dry_run=true", body)), [
      400,
      "invalid_request",
      "dry_run",
    ]);
    assert.equal((await ask("acme/lead", "GET", "/admin/keys")).status, 200);
  });
});

describe("where this machine may look without a key", () => {
  let open: TestGateway;
  before(async () => {
    const keys = new KeyBook(readKeys(ledger.database, { after: 0 }), () => true);
    open = await TestGateway.start({ keys, keyless: "loopback", administration: desk });
  });
  after(() => open.close());

  async function look(path: string, secret?: string): Promise<[status: number, document: string]> {
    const headers = secret === undefined ? {} : { authorization: `Bearer ${secret}` };
    const response = await fetch(open.url + path, { headers });
    return [response.status, await response.text()];
  }

  it("a call without one sees everything", async () => {
    const [status, document] = await look("/admin/accounts");
    assert.equal(status, 200);
    assert.match(document, /"global\/acme\/research\/alice"/);
    assert.match(document, /"global\/other\/bob"/);
  });

  it("a key that is sent shows what it may see", async () => {
    const [status, document] = await look("/admin/accounts", secrets["acme/research/auditor"]);
    assert.equal(status, 200);
    assert.match(document, /"global\/acme\/research\/alice"/);
    assert.doesNotMatch(document, /"global\/other/);
    assert.equal((await look("/admin/keys?account=acme", secrets["other/bob"]))[0], 403);
  });

  for (const path of [
    "/admin/budgets",
    "/admin/history",
    "/admin/alerts",
    "/admin/accounts",
    "/admin/keys",
    "/admin/chargeback",
    "/admin/policy",
    "/admin/canary",
    "/metrics",
    "/headgate/status",
    "/v1/models",
    "/coordinator/health/workers",
  ]) {
    it(`a wrong one shows nothing of ${path}`, async () => {
      assert.equal((await look(path))[0], 200);
      assert.equal((await look(path, "hg-bogus"))[0], 401);
    });
  }
});

describe("what is seen by HTTP", () => {
  it("is the part of the tree that the key is for", async () => {
    assert.deepEqual((await accountsIn("acme/research/auditor", "accounts")).slice(0, 2), [
      "global/acme/research",
      "global/acme/research/alice",
    ]);
    assert.deepEqual(await accountsIn("other/bob", "accounts"), ["global/other/bob"]);
    assert.deepEqual(await accountsIn("other/bob", "keys"), ["global/other/bob"]);
    const beyond = ask("acme/research/auditor", "GET", "/admin/budgets?account=other");
    assert.deepEqual(await refused(beyond), [403, "key_not_allowed", "account"]);
    const { document } = await ask("ops", "GET", "/admin/accounts?account=acme/research/alice");
    assert.deepEqual(document["accounts"], [
      accountLine("global/acme/research/alice", "key", 1),
      accountLine("global/acme/research/alice/agent-7", "agent", 0),
    ]);
  });

  it("comes in parts", async () => {
    const whole = await accountsIn("ops", "keys");
    const seen: unknown[] = [];
    for (let offset: unknown = 0; offset !== null;) {
      const { document } = await ask("ops", "GET", `/admin/keys?limit=2&offset=${offset as number}`);
      const part = document["keys"] as { account: string }[];
      assert.ok(part.length <= 2);
      seen.push(...part.map(({ account }) => account));
      offset = document["next_offset"];
    }
    assert.deepEqual(seen, whole);
    assert.deepEqual(await refused(ask("ops", "GET", "/admin/keys?limit=1001")), [
      400,
      "invalid_request",
      "limit",
    ]);
    assert.deepEqual(await refused(ask("ops", "GET", "/admin/keys?page=2")), [
      400,
      "invalid_request",
      "page",
    ]);
  });

  it("is what was spent, as JSON and as CSV", async () => {
    const { document } = await ask("acme/lead", "GET", "/admin/chargeback?month=2026-10&by=project,agent");
    assert.equal(document["account"], "global/acme");
    assert.equal((document["total"] as { usd: string }).usd, "2.5");
    const headers = { authorization: `Bearer ${secrets["ops"]}` };
    const path = "/admin/chargeback?month=2026-10&by=tenant&format=csv&zone=Europe/Berlin";
    const response = await fetch(gateway.url + path, { headers });
    assert.equal(response.headers.get("content-type"), "text/csv");
    assert.match(await response.text(), /\r\nother,1,0,0,0,0,0,0\.000000007,0,0\r\ntotal,2,/);
    assert.deepEqual(await refused(ask("ops", "GET", "/admin/chargeback?month=2026")), [
      400,
      "invalid_request",
      "month",
    ]);
    assert.deepEqual((await ask("ops", "GET", "/admin/alerts")).document, { alerts: [], next_offset: null });
  });
});

describe("administrators' bodies", () => {
  it("are limited, and JSON", async () => {
    const headers = { authorization: `Bearer ${secrets["ops"]}` };
    const put = (body: string): Promise<Response> => {
      return fetch(`${gateway.url}/admin/budgets`, { method: "PUT", headers, body });
    };
    assert.equal((await put("x".repeat(64 * 1024 + 1))).status, 413);
    assert.equal((await put("account: acme")).status, 400);
    const posted = await fetch(`${gateway.url}/admin/budgets`, { method: "POST", headers, body: "{}" });
    assert.deepEqual([posted.status, posted.headers.get("allow")], [405, "GET, HEAD, PUT, DELETE"]);
  });
});
