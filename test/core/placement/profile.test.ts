import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProfileConfig } from "../../../src/core/config.ts";
import {
  createProfile,
  profileNeeds,
  type ProfileProblem,
  profileProblem,
} from "../../../src/core/placement/profile.ts";
import type { Signal } from "../../../src/core/policy.ts";

const GOOD: ProfileConfig = {
  filters: [{ name: "region", parameters: { usual: "eu" } }],
  scorers: [
    { name: "least-request", parameters: {}, weight: 1 },
    { name: "token-load", parameters: { capacity: 100 }, weight: 2 },
  ],
  picker: { name: "softmax", parameters: { temperature: 0.1 } },
};

function problemWith(
  changes: Partial<ProfileConfig>,
  signals: Signal[] = ["blocks", "labels"],
): ProfileProblem | null {
  const profiles = { mine: { ...GOOD, ...changes } };
  return profileProblem({ profile: "mine", profiles, canary: null }, new Set(signals));
}

test("a profile of what there is has no problem", () => {
  assert.equal(problemWith({}), null);
  const profile = createProfile("mine", { profiles: { mine: GOOD } });
  assert.deepEqual(
    profile.scorers.map(({ name, weight }) => [name, weight]),
    [
      ["least-request", 1],
      ["token-load", 2],
    ],
  );
});

test("a problem says what is wrong, and where", () => {
  const [first, second] = GOOD.scorers;
  assert.deepEqual(problemWith({ filters: [...GOOD.filters, { name: "near", parameters: {} }] }), {
    path: ["profiles", "mine", "filters", 1, "name"],
    message:
      'There is no filter "near"; choose from capability, compliance, context-length, domain, region, session-affinity, sticky-until-saturated.',
  });
  assert.deepEqual(problemWith({ scorers: [first!, { ...second!, parameters: { capacity: -1 } }] }), {
    path: ["profiles", "mine", "scorers", 1, "parameters", "capacity"],
    message: 'scorer "token-load": capacity must be from 0 to 1000000000000.',
  });
  assert.deepEqual(problemWith({ scorers: [{ ...first!, weight: -1 }] }), {
    path: ["profiles", "mine", "scorers", 0, "weight"],
    message: 'The weight of "least-request" must be 0 or more.',
  });
  const endless = problemWith({ scorers: [first!, { ...second!, weight: Infinity }] });
  assert.deepEqual(endless?.path, ["profiles", "mine", "scorers", 1, "weight"]);
  assert.deepEqual(problemWith({ picker: { name: "toString", parameters: {} } })?.path, [
    "profiles",
    "mine",
    "picker",
    "name",
  ]);
  assert.deepEqual(problemWith({}, ["blocks"]), {
    path: ["profiles", "mine", "filters", 0, "name"],
    message: 'filter "region" goes by labels of workers, which nothing here produces.',
  });
});

test("the profiles in use have to exist, and to have what they go by", () => {
  const config = { profile: "standard", profiles: {}, canary: null };
  const none: ReadonlySet<Signal> = new Set();
  assert.deepEqual(profileProblem({ ...config, profile: "constructor" }, none)?.path, ["profile"]);
  assert.equal(
    profileProblem(
      { ...config, canary: { profile: "prefix-precise", share: 0.1 } },
      new Set<Signal>(["blocks", "latency"]),
    )?.message,
    'Profile "prefix-precise": scorer "prefix-precise" goes by reports of what KV caches hold, which nothing here produces.',
  );
  assert.deepEqual(
    profileProblem(
      { ...config, canary: { profile: "no", share: 0.1 } },
      new Set<Signal>(["blocks", "latency"]),
    )?.path,
    ["canary", "profile"],
  );
});

test("one's own profile stands before one of the same name that comes with Headgate", () => {
  const profile = createProfile("random", { profiles: { random: GOOD } });
  assert.equal(profile.filters.length, 1);
});

test("a profile needs what its policies need", () => {
  assert.deepEqual(profileNeeds("mine", { profiles: { mine: GOOD } }), new Set(["labels", "blocks"]));
  assert.deepEqual(profileNeeds("random", { profiles: {} }), new Set());
});

test("an unknown profile is not made", () => {
  assert.throws(() => createProfile("constructor", { profiles: {} }), /no placement profile "constructor"/);
});
