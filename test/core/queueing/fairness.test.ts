import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { QueueingConfig } from "../../../src/core/config.ts";
import { schedulingOf } from "../../../src/core/default-scheduling.ts";
import { NO_HINTS } from "../../../src/core/events.ts";
import { Queue } from "../../../src/core/queueing/queue.ts";
import type { Packet } from "../../../src/core/request.ts";
import { seconds } from "../../../src/core/units.ts";
import { plannedPacket } from "../fixtures.ts";

const LIMITS = { packetsMax: 100_000, bytesMax: Infinity, ttlUs: seconds(80), slo: null };

function newQueue(changes: Partial<QueueingConfig>): Queue {
  return new Queue({ ...schedulingOf("").queueing, ...changes }, LIMITS);
}

/** A client's requests, one after the other and over again. */
interface Client {
  name: string;
  weight: number;
  requests: { input: number; output: number }[];
}

const sizes = fc.array(
  fc.record({ input: fc.integer({ min: 1, max: 400 }), output: fc.integer({ min: 1, max: 300 }) }),
  {
    minLength: 1,
    maxLength: 20,
  },
);

/** One engine that runs whatever fits its KV cache, and generates a token of each answer in each step. */
class Engine {
  /** Input + 2 × output tokens, by client. */
  readonly service = new Map<string, number>();
  readonly #queue: Queue;
  readonly #kvTokens: number;
  readonly #clients: readonly Client[];
  readonly #next = new Map<string, number>();
  readonly #sizes = new Map<Packet, { input: number; output: number }>();
  readonly #running = new Map<Packet, number>();
  #nowUs = 0;

  constructor(queue: Queue, clients: readonly Client[], kvTokens: number) {
    this.#queue = queue;
    this.#clients = clients;
    this.#kvTokens = kvTokens;
    for (const { name } of clients) this.service.set(name, 0);
    for (const client of clients) for (let i = 0; i < 3; i++) this.#ask(client);
  }

  step(): void {
    this.#nowUs += 20_000;
    for (const packet of this.#queue.inOrder("m", this.#nowUs)) {
      const size = this.#sizes.get(packet)!;
      // In the order of the policy: what does not fit is waited for.
      if (this.#kvInUse() + size.input + size.output > this.#kvTokens) break;
      this.#queue.remove(packet, this.#nowUs);
      this.#queue.dispatched(packet, this.#nowUs);
      this.#running.set(packet, 0);
      this.#serve(packet, size.input);
      this.#ask(this.#clients.find(({ name }) => name === packet.request.arrival.tenant)!);
    }
    for (const [packet, generated] of this.#running) {
      this.#queue.generated(packet, 1, this.#nowUs);
      this.#serve(packet, 2);
      this.#running.set(packet, generated + 1);
      if (generated + 1 < this.#sizes.get(packet)!.output) continue;
      this.#running.delete(packet);
      this.#queue.ended(packet, this.#nowUs);
    }
  }

  #kvInUse(): number {
    let tokens = 0;
    for (const packet of this.#running.keys()) {
      const { input, output } = this.#sizes.get(packet)!;
      tokens += input + output;
    }
    return tokens;
  }

  #ask({ name, requests }: Client): void {
    const at = this.#next.get(name) ?? 0;
    this.#next.set(name, at + 1);
    const size = requests[at % requests.length]!;
    const packet = plannedPacket({ tenant: name, promptTokensMax: size.input, maxTokens: 300 });
    this.#sizes.set(packet, size);
    this.#queue.add(packet, this.#nowUs);
  }

  #serve({ request }: Packet, amount: number): void {
    const { tenant } = request.arrival;
    this.service.set(tenant, this.service.get(tenant)! + amount);
  }
}

test("VTC: clients that always wait never come further apart than 2 · max(w_p · L_input, w_q · M)", () => {
  const kvTokens = 2_000;
  const bound = 2 * Math.max(400, 2 * kvTokens);
  fc.assert(
    fc.property(sizes, sizes, sizes, (a, b, c) => {
      const clients = [a, b, c].map((requests, i) => ({ name: `c${i}`, weight: 1, requests }));
      const queue = newQueue({ fairness: { name: "vtc", parameters: {} } });
      const engine = new Engine(queue, clients, kvTokens);
      for (let i = 0; i < 1_000; i++) {
        engine.step();
        const service = [...engine.service.values()];
        assert(Math.max(...service) - Math.min(...service) <= bound);
      }
    }),
    { numRuns: 15 },
  );
});

test("whatever counts service keeps clients that always wait together, by their weights", () => {
  const requests = [
    [{ input: 300, output: 20 }],
    [{ input: 10, output: 200 }],
    [
      { input: 50, output: 5 },
      { input: 5, output: 280 },
    ],
  ];
  for (const name of ["vtc", "las", "foresight", "drr"]) {
    const clients = requests.map((own, i) => ({ name: `c${i}`, weight: i + 1, requests: own }));
    const weights = Object.fromEntries(clients.map((client) => [client.name, client.weight]));
    const engine = new Engine(newQueue({ fairness: { name, parameters: {} }, weights }), clients, 2_000);
    for (let i = 0; i < 20_000; i++) engine.step();
    const shares = clients.map((client) => engine.service.get(client.name)! / client.weight);
    const spread = Math.max(...shares) / Math.min(...shares);
    assert(spread < 1.1, `${name}: ${spread}`);
  }
});

test("VTC: who was away has saved up nothing, and who stayed has lost nothing", () => {
  const queue = newQueue({ fairness: { name: "vtc", parameters: {} } });
  const serve = (): string => {
    for (const packet of queue.inOrder("m", 0)) {
      queue.remove(packet, 0);
      queue.dispatched(packet, 0);
      return packet.request.arrival.tenant;
    }
    return "";
  };
  const add = (tenant: string) => queue.add(plannedPacket({ tenant, promptTokensMax: 10 }), 0);
  for (let i = 0; i < 200; i++) add("stays");
  for (let i = 0; i < 100; i++) assert.equal(serve(), "stays");
  for (let i = 0; i < 50; i++) add("returns");
  const turns = Array.from({ length: 100 }, serve);
  for (let i = 0; i < 100; i += 2) assert.deepEqual(turns.slice(i, i + 2).sort(), ["returns", "stays"]);
});

test("DRR: between flows that always wait, work differs by less than a quantum and twice the largest packet", () => {
  const costs = fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 10 });
  const quanta = fc.integer({ min: 1, max: 1_000 });
  fc.assert(
    fc.property(costs, costs, quanta, (a, b, quantum) => {
      const queue = newQueue({ fairness: { name: "drr", parameters: { quantum, output_weight: 0 } } });
      const flows = new Map([
        ["a", { costs: a, at: 0, work: 0 }],
        ["b", { costs: b, at: 0, work: 0 }],
      ]);
      const ask = (tenant: string) => {
        const flow = flows.get(tenant)!;
        queue.add(plannedPacket({ tenant, promptTokensMax: flow.costs[flow.at++ % flow.costs.length]! }), 0);
      };
      for (const name of ["a", "b", "a", "b"]) ask(name);
      let turns = 0;
      for (const packet of queue.inOrder("m", 0)) {
        queue.remove(packet, 0);
        queue.dispatched(packet, 0);
        const { tenant, promptTokensMax } = packet.request.arrival;
        flows.get(tenant)!.work += promptTokensMax;
        ask(tenant);
        const difference = Math.abs(flows.get("a")!.work - flows.get("b")!.work);
        assert(difference <= quantum + 2 * 900);
        if (++turns === 500) break;
      }
    }),
    { numRuns: 50 },
  );
});

test("weighted bands: none starves, and while all wait each has its share", () => {
  const weights = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 2, maxLength: 4 });
  const inputs = fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 10 });
  fc.assert(
    fc.property(weights, inputs, (shares, costs) => {
      const [usual] = schedulingOf("").queueing.bands;
      const bands = shares.map((weight, i) => ({ ...usual!, name: `b${i}`, weight }));
      const queue = newQueue({ bands, bandPolicy: { name: "weighted", parameters: {} } });
      let asked = 0;
      const ask = (priority: string) => {
        const promptTokensMax = costs[asked++ % costs.length]!;
        queue.add(plannedPacket({ promptTokensMax, hints: { ...NO_HINTS, priority } }), 0);
      };
      const service = new Map(bands.map(({ name }) => [name, 0]));
      for (const { name } of bands) for (let i = 0; i < 2; i++) ask(name);
      let turns = 0;
      for (const packet of queue.inOrder("m", 0)) {
        queue.remove(packet, 0);
        queue.dispatched(packet, 0);
        const { hints, promptTokensMax } = packet.request.arrival;
        const band = bands.find(({ name }) => name === hints.priority)!;
        service.set(band.name, service.get(band.name)! + promptTokensMax / band.weight);
        ask(band.name);
        // Who is served was lowest, so nobody is further ahead than by one packet of its own.
        const counts = [...service.values()];
        assert(Math.max(...counts) - Math.min(...counts) <= 500);
        if (++turns === 400) break;
      }
    }),
    { numRuns: 50 },
  );
});

test("EDF: within a flow, the order is that of deadlines, and of arrival where there is none", () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(100)), { maxLength: 8 }), (hopes) => {
      const queue = newQueue({ ordering: { name: "edf", parameters: {} } });
      for (const [i, ttftUs] of hopes.entries()) {
        const slo = ttftUs === null ? null : { ttftUs, tpotUs: 0 };
        queue.add(plannedPacket({ request: `r${i}`, hints: { ...NO_HINTS, slo } }), 0);
      }
      const expected = hopes
        .map((ttftUs, i) => ({ id: `r${i}`, due: ttftUs ?? Infinity }))
        .sort((a, b) => (a.due === b.due ? 0 : a.due - b.due));
      const walked = Array.from(queue.inOrder("m", 0), ({ request }) => request.id);
      assert.deepEqual(
        walked,
        expected.map(({ id }) => id),
      );
    }),
  );
});

test("what answers are expected to come to is learnt from each flow, never from the ceiling once there is better", () => {
  const expected: number[] = [];
  const queue = newQueue({
    fairness: { name: "vtc", parameters: {} },
    ordering: { name: "wspt", parameters: { input_weight: 0 } },
  });
  const answer = (tenant: string, tokens: number) => {
    const packet = plannedPacket({ tenant, maxTokens: 1_000 });
    queue.dispatched(packet, 0);
    queue.generated(packet, tokens, 0);
    queue.ended(packet, 0);
  };
  answer("a", 40);
  // Of two packets of a flow the one that is expected to be shorter goes first: a ceiling of 30 is below the mean of 40.
  const long = plannedPacket({ tenant: "a", maxTokens: 1_000 });
  const short = plannedPacket({ tenant: "a", maxTokens: 30 });
  queue.add(long, 0);
  queue.add(short, 0);
  for (const packet of queue.inOrder("m", 0)) expected.push(packet.maxTokens);
  assert.deepEqual(expected, [30, 1_000]);
  queue.remove(long, 0);
  queue.remove(short, 0);
  for (let i = 0; i < 40; i++) answer("a", 10);
  // By now answers are shorter than 30: the two are alike, and the first goes first.
  queue.add(long, 0);
  queue.add(short, 0);
  assert.deepEqual([...queue.inOrder("m", 0)], [long, short]);
});
