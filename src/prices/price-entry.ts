import type { GpuSetting, PriceSetting } from "../config/price-schema.ts";
import { formatUsd, type Price, type PriceFrom } from "../core/budget/money.ts";
import { gpuRates } from "./gpu-hour.ts";
import { parseRatio, type Ratio } from "./ratio.ts";
import { findProfile, throughputOf } from "./throughput.ts";

/** As for prices that are given. */
const NANO_USD_MAX = 1e15;

/** Prices by model, each model's in the order in which they come into force. */
export type Prices = Record<string, PriceEntry[]>;

/** A price with what it was reckoned from. */
export interface PriceEntry extends PriceFrom {
  /** Null where it was given as such. */
  gpu: GpuReckoning | null;
}

/** How the price of a self-hosted model comes about: settings as they are called there, in decimals. */
export interface GpuReckoning {
  /** USD. */
  gpu_hour: string;
  gpus: string;
  utilisation: string;
  prefill_tokens_per_second: string;
  decode_tokens_per_second: string;
  /** Where the tokens a second come from; null where they were given. */
  measured: { profile: string; prompt_tokens: number; output_tokens: number; batch: number } | null;
}

/**
 * A price as it was configured, ready for use. A measured throughput is read from a profile, whose file is
 * relative to `folder`; throws with what is wrong with that.
 */
export function toEntry(setting: PriceSetting, folder: string): PriceEntry {
  const { fromUs } = setting;
  if (setting.kind === "tokens") return { fromUs, price: setting.price, gpu: null };
  const { gpu } = setting;
  const { prefill, decode, measured } = speeds(gpu, folder);
  const { gpu_hour: gpuHour, gpus, utilisation, request } = gpu;
  const rates = gpuRates({
    gpuHour,
    gpus,
    utilisation,
    prefillPerSecond: prefill,
    decodePerSecond: decode,
  });
  const price: Price = { ...rates, cachedInput: gpu.cached_input ?? rates.input, request };
  check(price);
  const reckoning: GpuReckoning = {
    gpu_hour: formatUsd(BigInt(gpuHour)),
    gpus: decimalText(gpus),
    utilisation: decimalText(utilisation),
    prefill_tokens_per_second: decimalText(prefill),
    decode_tokens_per_second: decimalText(decode),
    measured,
  };
  return { fromUs, price, gpu: reckoning };
}

function check({ input, cachedInput, output }: Price): void {
  const most = Math.max(input, output);
  if (most > NANO_USD_MAX) {
    throw new Error(`it comes to ${formatUsd(BigInt(most))} USD for a million tokens: more than a million`);
  }
  if (cachedInput > input) {
    throw new Error(`cached_input must not be above input, which comes to ${formatUsd(BigInt(input))}`);
  }
}

function speeds(
  { throughput, prompt_tokens, output_tokens, ...given }: GpuSetting,
  folder: string,
): { prefill: Ratio; decode: Ratio; measured: GpuReckoning["measured"] } {
  if (throughput === undefined) {
    const { prefill_tokens_per_second: prefill, decode_tokens_per_second: decode } = given;
    return { prefill: prefill!, decode: decode!, measured: null };
  }
  const profile = findProfile(throughput, folder);
  const usual = { promptTokens: prompt_tokens, outputTokens: output_tokens };
  const { prefillPerSecond, decodePerSecond, batch } = throughputOf(profile, usual);
  return {
    prefill: parseRatio(prefillPerSecond)!,
    decode: parseRatio(decodePerSecond)!,
    measured: { profile: profile.name, prompt_tokens, output_tokens, batch },
  };
}

/** All of them have come from decimals, so they end. */
function decimalText({ numerator, denominator }: Ratio): string {
  const decimals = denominator.toString().length - 1;
  const digits = numerator.toString().padStart(decimals + 1, "0");
  const fraction = decimals === 0 ? "" : digits.slice(-decimals).replace(/0+$/, "");
  const units = decimals === 0 ? digits : digits.slice(0, -decimals);
  return fraction === "" ? units : `${units}.${fraction}`;
}
