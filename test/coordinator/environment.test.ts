import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ScriptedServer } from "../fakes/scripted-server.ts";

const CLI = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
/** Nothing is loaded and nobody is asked: what matters here is where it listens. */
const CONFIG = `
server: { port: 0 }
default_price: { input: 1, output: 1 }
remotes: [{ name: nobody, url: "http://127.0.0.1:9/v1", models: { rented: rented } }]
log: { level: silent }
`;

let folder: string;
let configPath: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "headgate-test-"));
  configPath = join(folder, "headgate.yaml");
  writeFileSync(configPath, CONFIG);
});
after(() => rmSync(folder, { recursive: true }));

function up(variables: Record<string, string>): ChildProcess {
  const { PATH = "" } = process.env;
  const options = { cwd: folder, env: { PATH, ...variables } };
  return spawn(process.execPath, [CLI, "up", "--config", configPath], options);
}

test("PORT says where `headgate up` listens", async () => {
  // A port that was free a moment ago.
  const server = await ScriptedServer.start();
  const { port } = new URL(server.url);
  await server.close();
  const child = up({ PORT: port, HOST: "127.0.0.1" });
  try {
    for await (const line of createInterface({ input: child.stderr! })) {
      if (!line.startsWith("Headgate listens on ")) continue;
      assert.equal(line, `Headgate listens on http://127.0.0.1:${port}`);
      break;
    }
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/coordinator/health`)).text(), "OK");
  } finally {
    child.kill();
    await once(child, "exit");
  }
});

for (const [name, value] of [
  ["HOST", "no-such-host.invalid"],
  ["PORT", "http"],
] as const) {
  test(`${name} that can't be listened on ends it with the reason`, async () => {
    const child = up({ [name]: value });
    const [stderr, [code]] = await Promise.all([text(child.stderr!), once(child, "close")]);
    assert.equal(code, 1);
    assert.ok(stderr.includes(value), stderr);
  });
}
