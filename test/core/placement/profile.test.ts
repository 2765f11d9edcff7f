import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProfileConfig } from "../../../src/core/config.ts";
import { createProfile } from "../../../src/core/placement/profile.ts";

const GOOD: ProfileConfig = {
  filters: [{ name: "region", parameters: { usual: "eu" } }],
  scorers: [
    { name: "least-request", parameters: {}, weight: 1 },
    { name: "token-load", parameters: { capacity: 100 }, weight: 2 },
  ],
  picker: { name: "softmax", parameters: { temperature: 0.1 } },
};

test("a profile is made of what it names", () => {
  const profile = createProfile("mine", { profiles: { mine: GOOD } });
  assert.deepEqual(
    profile.scorers.map(({ name, weight }) => [name, weight]),
    [
      ["least-request", 1],
      ["token-load", 2],
    ],
  );
});

test("one's own profile stands before one of the same name that comes with Headgate", () => {
  const profile = createProfile("random", { profiles: { random: GOOD } });
  assert.equal(profile.filters.length, 1);
});

test("an unknown profile is not made", () => {
  assert.throws(() => createProfile("constructor", { profiles: {} }), /no placement profile "constructor"/);
});
