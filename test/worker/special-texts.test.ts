import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SpecialTexts } from "../../src/worker/llama/special-texts.ts";

void describe("SpecialTexts", () => {
  const texts = new SpecialTexts(["<a>", "<a>b", "b<a", "xx", "", "🙂"]);

  void test("finds the longest that begins at a place", () => {
    assert.equal(texts.at("<a>bc", 0), "<a>b");
    assert.equal(texts.at("<a>c", 0), "<a>");
    assert.equal(texts.at("🙂", 0), "🙂");
    assert.equal(texts.at("<a>", 1), null);
    assert.equal(texts.at("<a>", 3), null);
  });

  void test("one that nothing overlaps stands alone", () => {
    assert.ok(texts.standsAlone("c<a>c", 1));
    assert.ok(texts.standsAlone("<a>xx", 3));
  });

  void test("one that overlaps another, or itself, does not", () => {
    assert.ok(!texts.standsAlone("b<a>", 1));
    assert.ok(!texts.standsAlone("<a>b<a", 0));
    assert.ok(!texts.standsAlone("xxx", 0));
    assert.ok(!texts.standsAlone("xxx", 1));
    assert.ok(!texts.standsAlone("nothing", 2));
  });
});
