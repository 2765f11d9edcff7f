import type { Engine, IdleSlot } from "./engine.ts";

/** How often slots are looked at; a slot is freed at most this much after its time. */
const SWEEP_MS = 1_000;

/** Frees what ended generations left behind, the longest unused first, until at most `bytesMax` are held. */
export function freeIdleKv(options: { engine: Engine; bytesMax: number }): void {
  const idle = idleSlots(options.engine);
  let bytes = sumBytes(idle);
  for (const slot of idle) {
    if (bytes <= options.bytesMax) return;
    slot.free();
    bytes -= slot.kvBytes;
  }
}

export function idleKvBytes(engine: Engine): number {
  return sumBytes(idleSlots(engine));
}

/** Frees what nobody used for `ttlMs`, until the returned function is called. */
export function expireIdleKv(options: { engine: Engine; ttlMs: number }): () => void {
  const timer = setInterval(() => {
    const limitMs = performance.now() - options.ttlMs;
    for (const slot of idleSlots(options.engine)) {
      if (slot.idleSinceMs <= limitMs) slot.free();
    }
  }, SWEEP_MS);
  timer.unref();
  return () => clearInterval(timer);
}

function idleSlots(engine: Engine): IdleSlot[] {
  return engine.models.flatMap((model) => model.idle()).sort((a, b) => a.idleSinceMs - b.idleSinceMs);
}

function sumBytes(slots: readonly IdleSlot[]): number {
  return slots.reduce((total, slot) => total + slot.kvBytes, 0);
}
