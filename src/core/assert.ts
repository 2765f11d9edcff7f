/** A fault in Headgate itself. The process ends on it: going on could lose money or answers. */
export class InvariantViolation extends Error {
  override name = "InvariantViolation";
}

/** Invariants are checked in production too. */
export function assert(condition: boolean, invariant: string): asserts condition {
  if (!condition) throw new InvariantViolation(invariant);
}
