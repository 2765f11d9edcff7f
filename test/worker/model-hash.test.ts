import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { modelHash } from "../../src/worker/llama/model-hash.ts";
import { MODEL } from "./harness.ts";

const MIB = 1024 * 1024;

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

void describe("a model's hash", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "model-hash-test-"));
  });
  after(() => rm(folder, { recursive: true }));

  void test("is that of the file", async () => {
    assert.equal(await modelHash(MODEL.path), `sha256:${sha256(await readFile(MODEL.path))}`);
    const path = join(folder, "odd");
    for (const size of [0, 1, MIB, 3 * MIB + 5]) {
      const bytes = Buffer.alloc(size, "abcde");
      await writeFile(path, bytes);
      assert.equal(await modelHash(path), `sha256:${sha256(bytes)}`);
    }
  });

  void test("of a large one is that of its size and of samples, to its last byte", async () => {
    const path = join(folder, "large");
    const size = 65 * MIB;
    const bytes = Buffer.alloc(size, "weights");
    await writeFile(path, bytes);
    const first = await modelHash(path);
    const hash = createHash("sha256").update(`${size}\n`);
    for (let piece = 0; piece < 64; piece++) {
      const start = Math.floor((piece * (size - MIB)) / 63);
      hash.update(bytes.subarray(start, start + MIB));
    }
    assert.equal(first, `sampled-sha256:${hash.digest("hex")}`);
    const file = await open(path, "r+");
    await file.write("x", size - 1);
    await file.close();
    assert.notEqual(await modelHash(path), first);
  });
});
