import assert from "node:assert/strict";
import { test } from "node:test";
import { SupervisorHome } from "../budget/supervisor-process.ts";
import { ask } from "./replicas.ts";

const BURST = 5;
const REQUESTS = 12;
const CHAT = { model: "far", max_tokens: 2, messages: [{ role: "user", content: "Hello" }] };

/** So few a second that none comes while this lasts. */
const rateOf = (burst: number): object => ({ per_second: 0.001, burst });

/** On a connection each, so that supervisors get them in turn; how many come to that error. */
async function count(url: string, code: string): Promise<number> {
  const answers = await Promise.all(
    Array.from({ length: REQUESTS }, () => ask(`${url}/v1/chat/completions`, { body: CHAT })),
  );
  return answers.filter(({ text }) => (JSON.parse(text) as { error?: { code: string } }).error?.code === code)
    .length;
}

test("supervisors share rates: those of the file, and those that are set at any of them", async () => {
  // A remote that nobody listens at, so that whoever is let in is answered at once.
  const remotes = [{ name: "nobody", url: "http://127.0.0.1:9/v1", models: { far: "far" } }];
  const admission = { tenant_rates: { local: rateOf(BURST) } };
  const home = new SupervisorHome({ remotes, admission, default_price: { input: 1, output: 1 } });
  try {
    const headgate = await home.start("--supervisors", "3");
    assert.equal(await count(headgate.url, "rate_limited"), REQUESTS - BURST);
    const more = { admission: { tenant_rates: { local: rateOf(BURST + 2) } } };
    const { status, text } = await ask(`${headgate.url}/admin/policy`, { method: "PUT", body: more });
    assert.equal(status, 200, text);
    assert.equal(await count(headgate.url, "rate_limited"), REQUESTS - BURST - 2);
    await headgate.stop();
  } finally {
    home.remove();
  }
});
