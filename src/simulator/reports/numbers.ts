/** Numbers as people read them, in tables and on axes. */

const MS_PER_SECOND = 1_000;
const MS_PER_MINUTE = 60_000;
const MS_PER_HOUR = 3_600_000;
const MISSING = "–";

/** Three digits that count, and thousands apart: 0.0123, 4.56, 789, 12,345. */
export function numberText(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return MISSING;
  const size = Math.abs(value);
  if (size >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(3)));
}

/** `3.4 ms`, `250 ms`, `1.5 s`, `12 min`. */
export function msText(ms: number | null): string {
  if (ms === null || !Number.isFinite(ms)) return MISSING;
  if (Math.abs(ms) < MS_PER_SECOND) return `${numberText(ms)} ms`;
  if (Math.abs(ms) < 10 * MS_PER_MINUTE) return `${numberText(ms / MS_PER_SECOND)} s`;
  return ms < MS_PER_HOUR ? `${numberText(ms / MS_PER_MINUTE)} min` : `${numberText(ms / MS_PER_HOUR)} h`;
}

export function secondsText(seconds: number): string {
  return msText(seconds * MS_PER_SECOND);
}

/** `98.7 %`; never 100 % when something is missing. */
export function shareText(share: number | null): string {
  if (share === null || !Number.isFinite(share)) return MISSING;
  const percent = share * 100;
  const rounded = Math.round(percent * 10) / 10;
  if (rounded === 100 && share < 1) return "> 99.9 %";
  if (rounded === 0 && share > 0) return "< 0.1 %";
  return `${rounded} %`;
}

/** A moment on a time axis: `0`, `45 s`, `12 min`, `3 h`. */
export function clockText(seconds: number): string {
  if (seconds === 0) return "0";
  if (seconds % 3_600 === 0) return `${seconds / 3_600} h`;
  if (seconds % 60 === 0) return `${seconds / 60} min`;
  return seconds < 60
    ? `${numberText(seconds)} s`
    : `${Math.floor(seconds / 60)} min ${numberText(Math.round(seconds % 60))} s`;
}
