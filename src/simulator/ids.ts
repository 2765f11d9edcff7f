import type { Micros } from "../core/units.ts";

/**
 * The core makes ids from ids: packet `request/choice`, with `h`, `h2` and so on behind it for a hedge, hold `packet:n`,
 * attempt `packet#n`.
 */
export function requestOf(id: string): string {
  const end = id.indexOf("/");
  return end < 0 ? id : id.slice(0, end);
}

/**
 * The hold of a slice is `slice/account@instant`: the account that it is for, and when its time is over. Null for the hold of a
 * packet.
 */
export function sliceOf(hold: string): { account: string; expiresUs: Micros } | null {
  if (!hold.startsWith(SLICE)) return null;
  const end = hold.lastIndexOf("@");
  return { account: hold.slice(SLICE.length, end), expiresUs: Number(hold.slice(end + 1)) };
}

const SLICE = "slice/";

/** The packet of an attempt or of a hold. */
export function packetOf(id: string): string {
  return id.slice(0, Math.max(id.lastIndexOf("#"), id.lastIndexOf(":")));
}

/** The first of the client's choices that a packet answers, or that of an attempt or of a hold. */
export function choiceOf(id: string): number {
  return Number.parseInt(id.slice(id.indexOf("/") + 1), 10);
}

/** The answer that a packet is for, or one of several that it is for: two packets that race have the same. */
export function answerOf(id: string): string {
  return `${requestOf(id)}/${choiceOf(id)}`;
}

export function isHedge(packet: string): boolean {
  return packet !== answerOf(packet);
}
