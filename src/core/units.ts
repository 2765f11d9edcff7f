/**
 * Microseconds on the supervisor's clock: monotonic, counted from the Unix epoch as the clock
 * stood when the process started. It exceeds neither 2^53 nor the year 2255.
 */
export type Micros = number;

export const MICROS_PER_MILLI = 1_000;
export const MILLIS_PER_SECOND = 1_000;

export const MICROS_PER_SECOND = MICROS_PER_MILLI * MILLIS_PER_SECOND;

export function seconds(count: number): Micros {
  return Math.round(count * MICROS_PER_SECOND);
}
