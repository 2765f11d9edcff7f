import { InvalidArgumentError } from "commander";

/** Parsers for the values of command-line options; commander prefixes the message with the option. */

export function parseCount(value: string): number {
  const number = Number(value);
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new InvalidArgumentError("give a whole number above 0");
}

export function parseSeed(value: string): number {
  const number = Number(value);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  throw new InvalidArgumentError("give a whole number, 0 or more");
}

const FACTOR_MAX = 1_000;

export function parseFactor(value: string): number {
  const factor = Number(value);
  if (factor > 0 && factor <= FACTOR_MAX) return factor;
  throw new InvalidArgumentError(`give a number above 0 and at most ${FACTOR_MAX}`);
}

export function parsePort(value: string): number {
  const number = Number(value);
  if (Number.isInteger(number) && number >= 0 && number <= 65_535) return number;
  throw new InvalidArgumentError("give a port between 0 and 65535");
}

const SUPERVISORS_MAX = 64;

export function parseSupervisors(value: string): number {
  const number = Number(value);
  if (Number.isInteger(number) && number >= 1 && number <= SUPERVISORS_MAX) return number;
  throw new InvalidArgumentError(`give a whole number from 1 to ${SUPERVISORS_MAX}`);
}
