import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Admission } from "../../../src/core/admission/admission.ts";
import { SATURATION, SHEDDING } from "../../../src/core/admission/catalogues.ts";
import { rateError } from "../../../src/core/admission/rate-limits.ts";
import type { CoreConfig } from "../../../src/core/config.ts";
import type { HeadgateError } from "../../../src/core/errors.ts";
import { type Hints, NO_HINTS, type RequestArrived } from "../../../src/core/events.ts";
import { Fleet } from "../../../src/core/fleet/fleet.ts";
import { createPolicy } from "../../../src/core/policy.ts";
import { Queue, queueLimits } from "../../../src/core/queueing/queue.ts";
import { Random } from "../../../src/core/random.ts";
import type { Micros } from "../../../src/core/units.ts";
import { coreConfig, heartbeat, plannedPacket, requestArrived } from "../fixtures.ts";
import { Command } from "../transcript-command.ts";

const FOLDER = join(import.meta.dirname, "transcripts");
const NAMES = readdirSync(FOLDER).sort();

for (const name of NAMES) {
  test(`admission story ${name}`, () => {
    const file = join(FOLDER, name);
    const written = readFileSync(file, "utf8");
    const told = retell(written);
    if (process.env["UPDATE_TRANSCRIPTS"] === "1") writeFileSync(file, told);
    else assert.equal(told, written);
  });
}

test("every policy of admission has a story", () => {
  const policies = [SATURATION, SHEDDING].flatMap((catalogue) => Object.keys(catalogue));
  assert.deepEqual(
    policies.filter((name) => !NAMES.includes(`${name}.txt`)),
    [],
  );
});

/** `policy NAME parameter=…`, then `load running=… waiting=… slots=… kv=…/…` or `saturation 0.3`, each answered by a number. */
function retell(story: string): string {
  const lines: string[] = [];
  let answer: ((asked: Command) => number) | null = null;
  for (const line of story.trimEnd().split("\n")) {
    if (line.startsWith("    ")) continue;
    lines.push(line);
    if (line === "" || line.startsWith("#")) continue;
    const command = new Command(line);
    if (command.verb === "policy") answer = answering(command);
    else lines.push(`    ${Number(answer?.(command).toFixed(4))}`);
    command.end();
  }
  return `${lines.join("\n")}\n`;
}

function answering(command: Command): (asked: Command) => number {
  const name = command.subject;
  const definition = SATURATION[name] ?? SHEDDING[name];
  assert(definition !== undefined, `There is no policy ${name}.`);
  const given = Object.keys(definition.parameters).flatMap((parameter) => {
    const value = command.number(parameter);
    return value === undefined ? [] : [[parameter, value] as const];
  });
  const choice = { name, parameters: Object.fromEntries(given) };
  if (Object.hasOwn(SHEDDING, name)) {
    const shedding = createPolicy(SHEDDING, choice);
    return ({ subject }) => shedding.probability(Number(subject));
  }
  const saturation = createPolicy(SATURATION, choice);
  return (asked) =>
    saturation.of({
      running: asked.number("running") ?? 0,
      waiting: asked.number("waiting") ?? 0,
      slots: asked.number("slots") ?? 10,
      kvBytes: asked.number("kv") ?? 0,
      kvBytesMax: 100,
    });
}

/** A model with one worker that has two slots. */
function world(change: (config: CoreConfig) => void): {
  admission: Admission;
  queue: Queue;
  config: CoreConfig;
} {
  const config = coreConfig();
  const [normal] = config.scheduling.queueing.bands;
  config.scheduling.queueing.bands = [
    normal!,
    { ...normal!, name: "bulk", isSheddable: true, packetsMax: 20 },
  ];
  change(config);
  const fleet = new Fleet(config);
  fleet.heartbeat(0, heartbeat("a", 0));
  const queue = new Queue(config.scheduling.queueing, queueLimits(config));
  return { admission: new Admission(config, { fleet, queue, random: new Random(1) }), queue, config };
}

function ask(admission: Admission, hints: Partial<Hints> = {}, nowUs = 0): string {
  const arrival = { ...requestArrived("r"), hints: { ...NO_HINTS, ...hints } };
  const refusal = refusalOf(admission, arrival, nowUs);
  return refusal === null ? "admitted" : `${refusal.code}/${refusal.reason ?? refusal.retryAfterSeconds}`;
}

/** As the supervisor asks: first whether there is room, then whether it is the request's turn. */
function refusalOf(admission: Admission, arrival: RequestArrived, nowUs: Micros): HeadgateError | null {
  const refusal = admission.admit({ arrival, model: "m" }, { openPackets: 0, draining: false });
  const counted = admission.counted(arrival, "m");
  if (refusal !== null || counted === null) return refusal;
  const shortage = admission.take(counted, nowUs);
  return shortage === null ? null : rateError(shortage, "m");
}

test("of bands that are sheddable as many are shed as the policy says, of others none", () => {
  const { admission, queue } = world(({ scheduling }) => {
    scheduling.admission.shedding = { name: "probabilistic", parameters: {} };
  });
  const shed = (priority: string | null) => {
    let count = 0;
    for (let i = 0; i < 1_000; i++) if (ask(admission, { priority }) === "capacity/shed") count++;
    return count;
  };
  assert.equal(shed("bulk"), 0);
  for (let i = 0; i < 2; i++) queue.dispatched(plannedPacket({}), 0);
  // Two of two slots are taken: a saturation of 0.2, and 300 · 0.2⁵ = 0.096.
  const some = shed("bulk");
  assert(some > 60 && some < 135, `${some}`);
  queue.add(plannedPacket({}), 0);
  assert.equal(shed("bulk"), 1_000);
  assert.equal(shed(null), 0);
});

test("rates count what is admitted, and say when there is room again", () => {
  const { admission, config } = world(({ scheduling }) => {
    scheduling.admission.rates = { m: { perSecond: 0.4, burst: 2 } };
  });
  assert.deepEqual(
    [1, 2, 3].map(() => ask(admission)),
    ["admitted", "admitted", "rate_limited/3"],
  );
  assert.equal(ask(admission, {}, 1_500_000), "rate_limited/1");
  assert.equal(ask(admission, {}, 2_500_000), "admitted");
  admission.reconfigure({ ...config.scheduling.admission, rates: {} });
  assert.equal(ask(admission, {}, 2_500_000), "admitted");
});

test("a full band refuses its own, and a full queue whoever finds nobody less urgent in it", () => {
  const { admission, queue } = world((config) => {
    config.limits.queuePacketsMax = 25;
  });
  const hints = { ...NO_HINTS, priority: "bulk" };
  for (let i = 0; i < 20; i++) queue.add(plannedPacket({ hints }), 0);
  assert.equal(ask(admission, { priority: "bulk" }), "capacity/band_full");
  for (let i = 0; i < 5; i++) queue.add(plannedPacket({}), 0);
  assert.equal(ask(admission), "admitted");
  for (const packet of queue.all()) {
    queue.remove(packet, 0);
    queue.add(plannedPacket({}), 0);
  }
  assert.equal(ask(admission), "capacity/queue_full");
});

test("a request takes its turn in the rates of its model, its tenant and its key, or in none of them", () => {
  const { admission } = world(({ scheduling }) => {
    scheduling.admission.rates = { m: { perSecond: 1, burst: 3 } };
    scheduling.admission.payerRates = {
      acme: { perSecond: 0.5, burst: 2 },
      "acme/alice": { perSecond: 0.25, burst: 1 },
    };
  });
  const call = (tenant: string, key: string | null): string => {
    const arrival = { ...requestArrived("r"), tenant, key };
    const refusal = refusalOf(admission, arrival, 0);
    return refusal === null ? "admitted" : `${refusal.code}: ${refusal.message} ${refusal.retryAfterSeconds}`;
  };
  assert.equal(call("acme", "alice"), "admitted");
  assert.equal(
    call("acme", "alice"),
    "rate_limited: More requests come than the rate of acme/alice allows. 4",
  );
  // Who was refused has taken nothing from the others.
  assert.equal(call("acme", "bob"), "admitted");
  assert.equal(call("acme", "bob"), "rate_limited: More requests come than the rate of acme allows. 2");
  assert.equal(call("local", null), "admitted");
  assert.equal(call("local", null), 'rate_limited: More requests come than the rate of "m" allows. 1');
});
