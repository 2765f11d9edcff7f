/** Rule 13: an answer runs on GPUs no longer than a durable hold pays for, and is charged the time that it took of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { LedgerEntry } from "../../../src/core/budget/ledger-entry.ts";
import type { LimitRow } from "../../../src/core/budget/limits.ts";
import type { Dispatch, Effect } from "../../../src/core/effects.ts";
import type { SupervisorEvent } from "../../../src/core/events.ts";
import { type Micros, seconds } from "../../../src/core/units.ts";
import { heartbeat } from "../fixtures.ts";
import { Book } from "./book.ts";
import { patientConfig, World } from "./world.ts";

/** In thousandths of a GPU. */
const worker = fc.record({
  milliGpus: fc.constantFrom(0, 250, 1_000, 2_000, 3_333),
  slots: fc.integer({ min: 1, max: 5 }),
});

const pick = fc.nat(20);
const wait = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: seconds(4) }));
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("wait" as const), us: wait }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("sync" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("join" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("request" as const),
      choices: fc.integer({ min: 1, max: 2 }),
      streamed: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom("start", "output", "finish", "fail", "refuse", "leave"),
      pick,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("limit" as const),
      amount: fc.option(fc.nat(8_000_000).map(String)),
    }),
  },
);

const scenes = fc.record({
  workers: fc.array(worker, { minLength: 1, maxLength: 3 }),
  /** So many of them come later, perhaps with the first GPU. */
  late: fc.nat(2),
  gpuPacketUs: fc.constantFrom(1, 1_000, seconds(1), seconds(2)),
  packetTokens: fc.constantFrom(4, 16),
  limit: fc.option(fc.nat(8_000_000).map(String)),
  steps: fc.array(step, { maxLength: 50, size: "max" }),
  /** Whether timers fire later than they were asked for, as on a machine with much to do. */
  isLate: fc.boolean(),
});

type Drawn<A> = A extends fc.Arbitrary<infer Value> ? Value : never;
type Scene = Drawn<typeof scenes>;

interface Running {
  dispatch: Dispatch;
  sinceUs: Micros;
  hold: string;
  /** Whether GPU time was limited for as long as it ran: else nothing keeps it to its hold. */
  isLimited: boolean;
}

/** A hold, as the entries tell it. */
interface Held {
  gpuUs: number;
  durableUs: number;
  /** By attempts under it that have ended. */
  usedUs: number;
}

/** Plays a scene and counts, with fractions where the core has whole numbers, what every attempt has taken. */
class Play extends World {
  /** What is written is durable at once. */
  isDiskInstant = false;
  readonly #isLate: boolean;
  readonly #workers: Scene["workers"];
  readonly #running = new Map<string, Running>();
  readonly #holds = new Map<string, Held>();
  readonly #holdOf = new Map<string, string>();
  readonly #begun = new Set<string>();
  readonly #book = new Book();
  #unsynced: LedgerEntry[] = [];
  #joined = 0;

  constructor({ workers, late, gpuPacketUs, packetTokens, limit, isLate }: Omit<Scene, "steps">) {
    super(patientConfig({ gpuPacketUs, packetTokens }));
    this.#workers = workers;
    this.#isLate = isLate;
    this.holdBack = true;
    while (this.#joined < workers.length - late) this.joinNext();
    if (limit !== null) this.setLimit(limit);
  }

  /** The next worker comes, if one is left. */
  joinNext(): void {
    const next = this.#workers[this.#joined];
    if (next === undefined) return;
    const report = heartbeat(`w${this.#joined++}`, this.nowUs);
    const served = { slots: next.slots, gpus: next.milliGpus / 1_000 };
    this.send({ ...report, models: report.models.map((model) => ({ ...model, ...served })) });
  }

  get #isLimited(): boolean {
    return this.#book.limitsOn("global").some(({ amount }) => amount !== null);
  }

  get sent(): string[] {
    return [...this.#running.keys()];
  }

  override wait(us: Micros): Effect[] {
    if (!this.#isLate) return super.wait(us);
    this.nowUs += us;
    return this.send({ kind: "timer_fired" });
  }

  setLimit(amount: string | null): void {
    const row: LimitRow = { account: "global", unit: "gpu_seconds", window: "total", amount };
    this.#book.setLimit(row);
    if (amount === null) for (const running of this.#running.values()) running.isLimited = false;
    this.limit(row);
  }

  override send(event: SupervisorEvent): Effect[] {
    if (event.kind === "attempt_finished") this.#ended(event.attempt);
    if (event.kind === "attempt_started" || event.kind === "attempt_output") this.#begun.add(event.attempt);
    if (event.kind === "attempt_failed") {
      // Who is turned away at the door has not been there.
      const counts = event.reason !== "at_capacity" || this.#begun.has(event.attempt);
      this.#ended(event.attempt, { counts });
    }
    if (event.kind === "ledger_durable") this.#durable(event.through);
    const effects = super.send(event);
    for (const effect of effects) this.#observe(effect);
    if (this.isDiskInstant) this.sync();
    if (this.#isLate) return effects;
    for (const { dispatch, hold, isLimited } of this.#running.values()) {
      if (!isLimited) continue;
      const { durableUs } = this.#holds.get(hold)!;
      const most = `${dispatch.attempt} runs under ${durableUs} µs that are durable`;
      assert(this.#takenUnder(hold) <= BigInt(durableUs), most);
    }
    return effects;
  }

  #observe(effect: Effect): void {
    if (effect.kind === "append_ledger") return this.#entry(effect.entry);
    if (effect.kind === "dispatch") {
      const hold = this.#holdOf.get(packetOf(effect.attempt))!;
      const isLimited = this.#isLimited;
      this.#running.set(effect.attempt, { dispatch: effect, sinceUs: this.nowUs, hold, isLimited });
    }
    if (effect.kind === "cancel_attempt") {
      assert(effect.reason !== "gpu_time_over" || this.#isLimited, "nothing is cut where nothing limits it");
      this.#ended(effect.attempt);
    }
    if (effect.kind === "finish_answer" && effect.shortage !== null) {
      assert.equal(effect.finishReason, "length");
      assert.deepEqual([effect.shortage.account, effect.shortage.unit], ["global", "gpu_seconds"]);
    }
  }

  #entry(entry: LedgerEntry): void {
    this.#book.read(entry);
    this.#unsynced.push(entry);
    const { operation, hold, charge, inDoubt } = entry;
    const held = this.#holds.get(hold) ?? { gpuUs: 0, durableUs: 0, usedUs: 0 };
    this.#holds.set(hold, held);
    if (operation === "reserve" || operation === "extend") {
      held.gpuUs += charge.gpuUs;
      this.#holdOf.set(packetOf(hold), hold);
      for (const limit of this.#book.limitsOn(entry.account)) {
        const fits = charge.gpuUs === 0 || this.#book.usedUnder(limit, this.nowUs) <= BigInt(limit.amount!);
        assert(fits, "nothing is held beyond the limit");
      }
      return;
    }
    const expected = Math.min(held.gpuUs, held.usedUs);
    assert(!inDoubt, "it is known for how long an attempt ran");
    assert.equal(
      operation === "post" ? charge.gpuUs : 0,
      expected,
      "what all attempts under the hold have taken",
    );
    assert.equal(entry.overage?.gpuUs ?? 0, 0);
  }

  #durable(through: number): void {
    for (const { sequence, operation, hold, charge } of this.#unsynced) {
      if (sequence > through || (operation !== "reserve" && operation !== "extend")) continue;
      this.#holds.get(hold)!.durableUs += charge.gpuUs;
    }
    this.#unsynced = this.#unsynced.filter(({ sequence }) => sequence > through);
  }

  #ended(attempt: string, { counts = true } = {}): void {
    const running = this.#running.get(attempt);
    if (running === undefined) return;
    this.#running.delete(attempt);
    if (counts) this.#holds.get(running.hold)!.usedUs += Number(this.#taken(running));
  }

  #takenUnder(hold: string): bigint {
    const running = [...this.#running.values()].filter((each) => each.hold === hold);
    return running.reduce((sum, each) => sum + this.#taken(each), BigInt(this.#holds.get(hold)!.usedUs));
  }

  /** Thousandths of GPUs, for each of its places, over the endpoint's places: rounded up at the very end. */
  #taken({ dispatch, sinceUs }: Running): bigint {
    const { milliGpus, slots } = this.#workers[Number(dispatch.worker.slice(1))]!;
    const over = BigInt(this.nowUs - sinceUs) * BigInt(milliGpus * dispatch.choices);
    const per = 1_000n * BigInt(slots);
    return over / per + (over % per === 0n ? 0n : 1n);
  }
}

function packetOf(id: string): string {
  return id.replace(/[:#]\d+$/, "");
}

test("no attempt runs longer than durable holds pay for, and each is charged what it took of its worker's GPUs", () => {
  fc.assert(
    fc.property(scenes, (scene) => {
      const play = new Play(scene);
      for (const each of scene.steps) act(play, each);
      for (const attempt of play.sent)
        play.finish(attempt, { promptTokens: 5, cachedTokens: 0, completionTokens: 1 });
    }),
    { numRuns: 500 },
  );
});

test("where money is durable at once, an answer is cut when no more of the limit is left, and not before", () => {
  const limited = fc.record({
    workers: fc.array(worker, { minLength: 1, maxLength: 1 }),
    gpuPacketUs: fc.constantFrom(seconds(0.3), seconds(1), seconds(2)),
    amount: fc.integer({ min: 1, max: 3_000_000 }),
  });
  fc.assert(
    fc.property(limited, ({ amount, ...drawn }) => {
      const play = new Play({ ...drawn, late: 0, packetTokens: 16, isLate: false, limit: `${amount}` });
      play.isDiskInstant = true;
      play.request({ streamed: true, maxTokens: 20 });
      const [{ milliGpus, slots }] = drawn.workers as [(typeof drawn.workers)[number]];
      if (play.sent.length === 0) return assert(play.effectsOf("fail_request").length === 1 && milliGpus > 0);
      play.wait(seconds(1_000));
      const posts = play.entries.filter(({ operation }) => operation === "post");
      if (milliGpus === 0) return assert.deepEqual(posts, [], "it runs on");
      assert.equal(play.effectsOf("finish_answer")[0]?.finishReason, "length");
      const left = amount - posts[0]!.charge.gpuUs;
      assert(
        left * 1_000 * slots < milliGpus + 1_000 * slots,
        `${left} µs are left, and a microsecond takes less`,
      );
    }),
  );
});

test("an answer that waited when the first GPU came runs there for as long as the limit lasts, or for ever", () => {
  const late = fc.record({
    gpus: worker.filter(({ milliGpus }) => milliGpus > 0),
    gpuPacketUs: fc.constantFrom(seconds(0.3), seconds(1), seconds(2)),
    amount: fc.option(fc.integer({ min: 1, max: 3_000_000 })),
  });
  fc.assert(
    fc.property(late, ({ gpus, gpuPacketUs, amount }) => {
      const workers: Scene["workers"] = [{ milliGpus: 0, slots: 1 }, gpus];
      const limit = amount === null ? null : `${amount}`;
      const play = new Play({ workers, late: 1, gpuPacketUs, packetTokens: 16, isLate: false, limit });
      play.isDiskInstant = true;
      for (let i = 0; i < 2; i++) play.request({ streamed: true, maxTokens: 20 });
      play.joinNext();
      const [refusal] = play.effectsOf("fail_request");
      if (refusal !== undefined)
        return assert(refusal.error.code === "budget_insufficient" && limit !== null);
      assert.equal(play.sent.length, 2);
      play.wait(seconds(1_000));
      const [end] = play.effectsOf("finish_answer");
      if (amount === null) return assert.equal(end, undefined);
      assert.equal(end?.finishReason, "length");
      const left = amount - play.entries.find(({ operation }) => operation === "post")!.charge.gpuUs;
      assert(left * 1_000 * gpus.slots < gpus.milliGpus + 1_000 * gpus.slots, `${left} µs are left`);
    }),
  );
});

function act(play: Play, each: Drawn<typeof step>): void {
  if (each.kind === "wait") return void play.wait(each.us);
  if (each.kind === "sync") return void play.sync();
  if (each.kind === "join") return play.joinNext();
  if (each.kind === "limit") return play.setLimit(each.amount);
  if (each.kind === "request") {
    play.request({ choices: each.choices, streamed: each.streamed, maxTokens: 20 });
    return;
  }
  const running = play.sent;
  const attempt = running[each.pick % Math.max(1, running.length)];
  if (attempt === undefined) return;
  switch (each.kind) {
    case "start":
      return void play.start(attempt, 5);
    case "output":
      return void play.output(attempt, 1);
    case "finish":
      return void play.finish(attempt, { promptTokens: 5, cachedTokens: 0, completionTokens: 3 });
    case "fail":
      return void play.fail(attempt, "endpoint_error");
    case "refuse":
      return void play.fail(attempt, "at_capacity");
    case "leave":
      return void play.send({ kind: "client_gone", request: attempt.split("/")[0]! });
  }
}
