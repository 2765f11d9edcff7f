/** The core makes ids from ids: packet `request/choice`, hold `packet:n`, attempt `packet#n`. */
export function requestOf(id: string): string {
  const end = id.indexOf("/");
  return end < 0 ? id : id.slice(0, end);
}

/** The packet of an attempt or of a hold. */
export function packetOf(id: string): string {
  return id.slice(0, Math.max(id.lastIndexOf("#"), id.lastIndexOf(":")));
}

/** The first of the client's choices that the packet of an attempt or of a hold answers. */
export function choiceOf(id: string): number {
  return Number(packetOf(id).slice(id.indexOf("/") + 1));
}
