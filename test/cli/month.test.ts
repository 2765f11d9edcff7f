import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { MODEL, startTestHeadgate, type TestHeadgate, until } from "../system/headgate.ts";
import { Receiver } from "../webhooks/receiver.ts";
import { type CliResult, runCli } from "./run.ts";

const SECRET = `whsec_${Buffer.from("a secret of enough bytes").toString("base64")}`;

/** A real supervisor and worker, and a receiver of webhooks. */
let headgate: TestHeadgate;
const receiver = new Receiver([]);
before(async () => {
  const webhooks = [{ url: await receiver.listen(), secret_env: "ALERTS_SECRET" }];
  headgate = await startTestHeadgate({
    workers: ["worker-1"],
    sections: { webhooks },
    variables: { ALERTS_SECRET: SECRET },
  });
});
after(async () => {
  await headgate.stop();
  receiver.close();
});

const onLedger = (...given: string[]): Promise<CliResult> =>
  runCli(...given, "--config", headgate.configPath);

interface Answer {
  usage: { budgets: { account: string; window: string; remaining: string }[] };
}

function post(secret: string, account: string): Promise<Response> {
  return fetch(`${headgate.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${secret}`, "x-headgate-account": account },
    body: JSON.stringify({
      model: MODEL,
      max_tokens: 4,
      messages: [{ role: "user", content: "What is 2 + 2?" }],
    }),
  });
}

async function ask(secret: string, account: string): Promise<Answer> {
  const response = await post(secret, account);
  assert.equal(response.status, 200);
  return (await response.json()) as Answer;
}

test("a department's month: a budget in its time zone, an alert at 80 %, and what it came to", async () => {
  // Before the key: a supervisor that meets a new key knows all limits that were set before it.
  const terms = [
    "acme/research",
    "requests",
    "5",
    "--per",
    "month",
    "--zone",
    "Europe/Berlin",
    "--alert",
    "80",
  ];
  const set = await onLedger("budgets", "set", ...terms);
  assert.equal(set.stdout, "global/acme/research: 5 requests a month in Europe/Berlin; alert at 80 %\n");
  assert.equal(set.stderr, "No key spends under acme/research yet; the limit waits for one.\n");
  const created = await onLedger("keys", "create", "alice", "--account", "acme/research", "--json");
  const { secret } = JSON.parse(created.stdout) as { secret: string };

  const remaining: string[] = [];
  for (const task of ["task-1", "task-2", "task-2", "task-2"]) {
    const { usage } = await ask(secret, `agent-7/${task}`);
    remaining.push(usage.budgets[0]!.remaining);
  }
  assert.deepEqual(remaining, ["4", "3", "2", "1"]);
  await until(() => receiver.deliveries.length === 1);
  const { headers, body } = receiver.deliveries[0]!;
  const content = `${String(headers["webhook-id"])}.${String(headers["webhook-timestamp"])}.${body}`;
  const key = Buffer.from("a secret of enough bytes");
  assert.equal(
    headers["webhook-signature"],
    `v1,${createHmac("sha256", key).update(content).digest("base64")}`,
  );
  assert.partialDeepStrictEqual(JSON.parse(body), {
    type: "alert",
    data: { account: "global/acme/research", unit: "requests", percent: 80, limit: "5", posted: "4" },
  });
  await until(async () => / delivered\n/.test((await onLedger("budgets", "alerts", "acme")).stdout));

  const columns = ["--by", "project,key,agent,task", "--zone", "Europe/Berlin"];
  const { stdout } = await onLedger("chargeback", "--account", "acme", ...columns, "--csv");
  const lines = stdout.split("\r\n").map((line) => line.split(",").slice(0, 5).join(","));
  assert.deepEqual(lines, [
    "project,key,agent,task,requests",
    "research,alice,agent-7,task-1,1",
    "research,alice,agent-7,task-2,3",
    "total,,,,4",
    "",
  ]);
  const lastMonth = await onLedger("chargeback", "--last-month", "--zone", "Europe/Berlin");
  assert.match(lastMonth.stdout, /^global, from \S+T00:00:00\+0[12]:00 until \S+: nothing was used\.\n$/);
  const history = await onLedger("budgets", "history");
  assert.match(
    history.stdout,
    / global\/acme\/research +requests +month@Europe\/Berlin +none +5; alert at 80 %\n/,
  );
  const shown = await onLedger("budgets", "show", "acme/research");
  assert.match(
    shown.stdout,
    / month@Europe\/Berlin +5 +4 +0 +1 +20\d\d-\d\d-01T00:00:00\+0[12]:00 +alert at 80 %\n/,
  );
});

/** Its secret. */
async function createKey(...given: string[]): Promise<string> {
  const { stdout } = await onLedger("keys", "create", ...given, "--json");
  return (JSON.parse(stdout) as { secret: string }).secret;
}

interface AccountTree {
  accounts: { account: string; level: string; requests: number }[];
}

async function corporation(headers: Record<string, string>): Promise<AccountTree["accounts"]> {
  const response = await fetch(`${headgate.url}/admin/accounts?account=corp`, { headers });
  return ((await response.json()) as AccountTree).accounts;
}

test("what an administrator sets over HTTP binds in the running supervisor, and is seen there", async () => {
  const admin = await createKey("lead", "--account", "corp", "--role", "admin");
  const headers = { authorization: `Bearer ${admin}` };
  const set = await fetch(`${headgate.url}/admin/budgets`, {
    method: "PUT",
    headers,
    body: JSON.stringify({ account: "corp/bob", unit: "requests", amount: 1, window: "week" }),
  });
  assert.equal(set.status, 200);
  const bob = await createKey("bob", "--account", "corp");
  assert.deepEqual(
    (await ask(bob, "cron")).usage.budgets.map(({ remaining }) => remaining),
    ["0"],
  );
  const refused = await post(bob, "cron");
  assert.equal(refused.status, 429);
  const { error } = (await refused.json()) as { error: Record<string, unknown> };
  assert.deepEqual([error["code"], error["account"]], ["budget_exhausted", "global/corp/bob"]);
  assert.equal((await post(admin, "cron")).status, 403);
  // What was posted is in the file a moment later.
  await until(async () => (await corporation(headers))[0]!.requests === 1);
  assert.deepEqual(
    (await corporation(headers)).map(({ account, level, requests }) => [account, level, requests]),
    [
      ["global/corp", "tenant", 1],
      ["global/corp/bob", "key", 1],
      ["global/corp/bob/cron", "agent", 1],
      ["global/corp/lead", "key", 0],
    ],
  );
});

test("a supervisor does not start with a webhook whose secret is missing", async () => {
  const folder = mkdtempSync(join(tmpdir(), "headgate-webhook-"));
  const configPath = join(folder, "headgate.yaml");
  const start = (secretEnv: string): Promise<CliResult> => {
    writeFileSync(
      configPath,
      `server: {port: 0}
default_price: {input: 1, output: 2}
remotes: [{name: api, url: "http://127.0.0.1:9/v1", models: {a: a}}]
webhooks:
  - url: http://127.0.0.1:9/hook
    secret_env: ${secretEnv}
`,
    );
    return runCli("up", "--config", configPath);
  };
  const missing = await start("HEADGATE_TEST_NO_SUCH_SECRET");
  assert.equal(missing.code, 1);
  assert.match(
    missing.stderr,
    /headgate\.yaml:6:5: webhooks\.0\.secret_env: the environment variable HEADGATE_TEST_NO_SUCH_SECRET is not set; give it a random secret/,
  );
  rmSync(folder, { recursive: true });
});
