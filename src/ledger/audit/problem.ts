/** What is wrong, as people are told. */
export interface Problem {
  /** What was looked at, such as `chain` or `balances`. */
  check: string;
  /** The link it was found at; null for what is beside the chain. */
  position: number | null;
  message: string;
  expected: string | null;
  found: string | null;
}

/** The first thing that does not hold: what comes after it would mean nothing. */
export class AuditError extends Error {
  override readonly name = "AuditError";
  readonly problem: Problem;

  constructor(check: string, message: string, place: Partial<Omit<Problem, "check" | "message">> = {}) {
    super(message);
    this.problem = { check, position: null, expected: null, found: null, ...place, message };
  }
}

/** Whatever goes wrong while a damaged file is read is a problem of the file, too. */
export function guarded<T>(check: string, position: number | null, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof AuditError) throw error;
    throw new AuditError(check, `it can't be read: ${(error as Error).message}`, { position });
  }
}
