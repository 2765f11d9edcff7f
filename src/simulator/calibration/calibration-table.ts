import { table } from "../../cli/table.ts";
import { MICROS_PER_MILLI } from "../../core/units.ts";
import { msText, numberText, shareText } from "../reports/numbers.ts";
import type { Calibration } from "./calibrate.ts";

/** What was measured beside what the profile says, for the terminal. */
export function calibrationTable(calibration: Calibration): string {
  const { profile, prefill, decode, prefillError, decodeError } = calibration;
  const [p0, p1, p2] = profile.prefillUs.map(numberText);
  const overhead = numberText(profile.queueUs?.[0] ?? 0);
  const { decodeLarge } = profile;
  const large =
    decodeLarge === undefined
      ? ""
      : `, and ${decodeFormula(decodeLarge.decodeUs)} µs from a batch of ${decodeLarge.batchMin} on`;
  const prefillRows = prefill.map(({ tokens, us, fittedUs }) => [
    numberText(tokens),
    ...comparedCells(us, fittedUs),
  ]);
  const decodeRows = decode.map(({ batch, contextTokens, us, fittedUs }) => [
    numberText(batch),
    numberText(Math.round(contextTokens)),
    ...comparedCells(us, fittedUs),
  ]);
  return [
    table(["prompt tokens", "measured", "fitted", "off by"], prefillRows),
    `prefill = ${p0} a step + ${p1} · T + ${p2} · T² µs, and ${overhead} µs a request; off by ${shareText(prefillError)} on average`,
    "",
    table(["batch", "context tokens", "measured", "fitted", "off by"], decodeRows),
    `decode  = ${decodeFormula(profile.decodeUs)} µs a step${large}, off by ${shareText(decodeError)} on average`,
    "",
  ].join("\n");
}

function decodeFormula(decodeUs: readonly number[]): string {
  const [d0, d1, d2] = decodeUs.map(numberText);
  return `${d0} + ${d1} · batch + ${d2} · context`;
}

function comparedCells(us: number, fittedUs: number): string[] {
  return [
    msText(us / MICROS_PER_MILLI),
    msText(fittedUs / MICROS_PER_MILLI),
    shareText((fittedUs - us) / us),
  ];
}
