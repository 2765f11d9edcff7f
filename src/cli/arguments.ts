import { InvalidArgumentError } from "commander";

/** Parsers for the values of command-line options; commander prefixes the message with the option. */

export const parseCount = wholeNumber({ least: 1 }, "give a whole number above 0");

export const parseSeed = wholeNumber({ least: 0 }, "give a whole number, 0 or more");

export const parsePort = wholeNumber({ least: 0, most: 65_535 }, "give a port between 0 and 65535");

const SUPERVISORS_MAX = 64;

export const parseSupervisors = wholeNumber(
  { least: 1, most: SUPERVISORS_MAX },
  `give a whole number from 1 to ${SUPERVISORS_MAX}`,
);

const FACTOR_MAX = 1_000;

export function parseFactor(value: string): number {
  const factor = Number(value);
  if (factor > 0 && factor <= FACTOR_MAX) return factor;
  throw new InvalidArgumentError(`give a number above 0 and at most ${FACTOR_MAX}`);
}

/** In digits alone: `1e1` and an empty text are numbers to JavaScript, and to nobody else. */
function wholeNumber(
  { least, most = Number.MAX_SAFE_INTEGER }: { least: number; most?: number },
  advice: string,
): (value: string) => number {
  return (value) => {
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
    if (number >= least && number <= most) return number;
    throw new InvalidArgumentError(advice);
  };
}
