import type { IncomingMessage } from "node:http";
import { BlockList, isIP, isIPv6 } from "node:net";

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/** Whether an address can only be reached from this machine. */
export function isLoopbackAddress(address: string): boolean {
  // A socket open to both families writes IPv4 addresses as `::ffff:127.0.0.1`; BlockList knows.
  return LOOPBACK.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}

/** Whether a server that listens there can only be reached from this machine. */
export function isLoopbackHost(host: string): boolean {
  return host === "localhost" || isLoopbackAddress(host);
}

/** Workers know no keys, so whoever can connect to one can use it: that has to be this machine only. */
export function assertLoopbackHost(host: string): void {
  if (isLoopbackHost(host)) return;
  throw new Error(`A worker can't listen on ${host}: it knows no keys. Use 127.0.0.1.`);
}

/** What proxies add to a call that they pass on. */
const FORWARDING_HEADERS = ["forwarded", "via", "x-forwarded-for", "x-real-ip"] as const;

/** Whether the call was made on this machine: not passed on by a proxy here, for whoever it may be. */
export function isFromLoopback({ socket, headers }: IncomingMessage): boolean {
  if (FORWARDING_HEADERS.some((name) => headers[name] !== undefined)) return false;
  return socket.remoteAddress !== undefined && isLoopbackAddress(socket.remoteAddress);
}

/**
 * Whether the call comes from a page of some other site in a browser on this machine. Such a page
 * can post to us without reading the answer, and would spend what the machine may spend.
 */
export function isForeignPage({ headers }: IncomingMessage): boolean {
  const { origin } = headers;
  if (origin === undefined) return false;
  const hostname = URL.canParse(origin) ? new URL(origin).hostname : "";
  const address = hostname.replace(/^\[|\]$/g, "");
  return hostname !== "localhost" && !(isIP(address) > 0 && isLoopbackAddress(address));
}

/**
 * Whether a caller may report as a worker. What reports is sent prompts, so it has to be on
 * this machine, and it must not be a page in a browser here, which always names its origin.
 */
export function mayReport(request: IncomingMessage): boolean {
  return isFromLoopback(request) && request.headers.origin === undefined;
}
