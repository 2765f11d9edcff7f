import { Queue, queueLimits } from "../../../src/core/queueing/queue.ts";
import { Random } from "../../../src/core/random.ts";
import { type Micros, MICROS_PER_SECOND } from "../../../src/core/units.ts";
import { VirtualTime } from "../../../src/simulator/virtual-time.ts";
import type { Packet } from "../../../src/core/request.ts";
import { CoreFleet } from "./core-fleet.ts";
import type { Outcome } from "./outcome.ts";
import { Stretches } from "./stretches.ts";

/**
 * Servers in a row with exponential service, each behind a line of its own, through the core: a model for each server, in one
 * queue and one fleet. Figure: `T`, from the arrival at the first to the end at the last.
 */
export function runTandemStation(options: {
  seed: number;
  rate: number;
  /** Services a second of each server. */
  services: readonly number[];
  requests: number;
}): Outcome {
  const { seed, rate, services, requests } = options;
  const random = new Random(seed);
  const time = new VirtualTime(0);
  const models = services.map((_, i) => `stage-${i}`);
  const fleet = new CoreFleet({ profile: "least-request", models, workers: 1, slots: 1, seed });
  const queue = new Queue(fleet.config.scheduling.queueing, queueLimits(fleet.config));
  const arrivedUs = new Map<Packet, Micros>();
  const stretches = new Stretches({
    figures: ["T"],
    controls: 1 + models.length,
    requests,
    warmUpShare: 0.05,
  });

  function join(stage: number, sinceUs: Micros): void {
    const packet = fleet.packet({ model: models[stage]!, band: null, nowUs: time.nowUs });
    arrivedUs.set(packet, sinceUs);
    queue.add(packet, time.nowUs);
    serve(stage);
  }

  function serve(stage: number): void {
    for (const packet of queue.inOrder(models[stage]!, time.nowUs)) {
      if (fleet.dispatch(packet, time.nowUs) === null) return;
      queue.remove(packet, time.nowUs);
      queue.dispatched(packet, time.nowUs);
      const service = random.exponential(1);
      stretches.control(1 + stage, service - 1);
      time.after((service / services[stage]!) * MICROS_PER_SECOND, () => end(stage, packet));
    }
  }

  function end(stage: number, packet: Packet): void {
    const sinceUs = arrivedUs.get(packet)!;
    arrivedUs.delete(packet);
    fleet.release(packet, time.nowUs);
    queue.ended(packet, time.nowUs);
    serve(stage);
    if (stage + 1 < models.length) return join(stage + 1, sinceUs);
    stretches.add(0, (time.nowUs - sinceUs) / MICROS_PER_SECOND);
    stretches.next();
  }

  function arrive(): void {
    const gap = random.exponential(1 / rate);
    time.after(gap * MICROS_PER_SECOND, () => {
      arrive();
      stretches.control(0, gap * rate - 1);
      join(0, time.nowUs);
    });
  }

  arrive();
  while (!stretches.isFull) time.step(Infinity);
  return stretches.outcome();
}
