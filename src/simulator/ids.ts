/**
 * The core makes ids from ids: packet `request/choice`, with `h`, `h2` and so on behind it for a hedge, hold `packet:n`,
 * attempt `packet#n`.
 */
export function requestOf(id: string): string {
  const end = id.indexOf("/");
  return end < 0 ? id : id.slice(0, end);
}

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
