import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { ErrorCode } from "../core/errors.ts";
import { ERRORS } from "../core/errors.ts";
import type { Inspection } from "../core/inspection.ts";
import { declaredLength } from "./body.ts";
import { errorDocument } from "./respond.ts";
import { Routes } from "./routes.ts";
import type { Shell } from "./shell.ts";

/** What one client, or many, can take up; times in ms, sizes in bytes. */
export interface ServerLimits {
  bodyBytesMax: number;
  connectionsMax: number;
  /** From the first byte of a request to the end of its headers. */
  headersTimeoutMs: number;
  /** From the first byte of a request to the end of its body. */
  requestTimeoutMs: number;
  /** An idle connection is kept this long. */
  keepAliveTimeoutMs: number;
  /** What a client that does not read can leave in our memory, beside what the kernel keeps. */
  sendBufferBytes: number;
}

export const DEFAULT_LIMITS: ServerLimits = {
  bodyBytesMax: 10 * 1024 * 1024,
  connectionsMax: 10_000,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  // Longer than what clients and proxies before us keep theirs, so that they close first.
  keepAliveTimeoutMs: 65_000,
  sendBufferBytes: 64 * 1024,
};

const HEADER_BYTES_MAX = 16 * 1024;
const HEADERS_MAX = 100;

export interface GatewayOptions {
  shell: Shell;
  inspect: () => Inspection;
  host: string;
  /** 0 lets the system choose. */
  port: number;
  limits?: Partial<ServerLimits>;
  /** When the server started, in ms since the Unix epoch; now if absent. */
  startedMs?: number;
}

export interface RunningGateway {
  /** Scheme, host and port. */
  url: string;
  /** Stops listening and lets answers under way finish for that long, then cuts them off. */
  close(options: { graceMs: number }): Promise<void>;
}

/** Starts the HTTP server; rejects when the address is taken. */
export async function serveGateway(options: GatewayOptions): Promise<RunningGateway> {
  const { shell, inspect, host, port } = options;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const server = createLimitedServer(limits);
  const { startedMs = Date.now() } = options;
  const routes = new Routes({ shell, inspect, bodyBytesMax: limits.bodyBytesMax, startedMs });
  const nextId = requestIds();

  const handle = (request: IncomingMessage, response: ServerResponse): void =>
    routes.handle({ request, response, id: nextId() });
  server.on("request", handle);
  server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => {
    // A body that would be refused anyway need not be sent.
    if (declaredLength(request) <= limits.bodyBytesMax) response.writeContinue();
    handle(request, response);
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    answerBrokenRequest(error, { socket, id: nextId() });
  });

  await listen(server, { host, port });
  const address = server.address() as AddressInfo;
  const name = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return {
    url: `http://${name}:${address.port}`,
    close: ({ graceMs }) => closeServer(server, graceMs),
  };
}

function createLimitedServer(limits: ServerLimits): Server {
  const server = createServer({
    // Tokens are small and must not wait for each other in the kernel.
    noDelay: true,
    keepAlive: true,
    highWaterMark: limits.sendBufferBytes,
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: Math.min(1_000, limits.headersTimeoutMs),
  });
  server.maxHeadersCount = HEADERS_MAX;
  server.maxConnections = limits.connectionsMax;
  // Where several processes share the port: one that is full closes what it is given, or it would go round and round.
  Object.assign(server, { dropMaxConnection: true });
  return server;
}

/** Unique for ever: a random name for this process and a count. */
function requestIds(): () => string {
  const process = randomUUID().replaceAll("-", "").slice(0, 20);
  let count = 0;
  return () => {
    count += 1;
    return `${process}${count.toString(36).padStart(6, "0")}`;
  };
}

function listen(server: Server, address: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => reject(explained(error, address));
    server.once("error", onError);
    server.listen(address, () => {
      server.off("error", onError);
      resolve();
    });
  });
}

function explained(error: NodeJS.ErrnoException, { host, port }: { host: string; port: number }): Error {
  if (error.code !== "EADDRINUSE") return error;
  const advice = "Stop what listens there, or choose another port: --port, or server.port; 0 for any.";
  return new Error(`${host}:${port} is taken (${error.code}). ${advice}`, { cause: error });
}

/** `close` also ends idle connections; busy ones end with their answers, or with the grace. */
function closeServer(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const cut = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close((error) => {
      clearTimeout(cut);
      if (error === undefined) resolve();
      else reject(error);
    });
  });
}

/** What could not be read as HTTP has no response object: the answer is written to the socket by hand. */
function answerBrokenRequest(
  error: NodeJS.ErrnoException,
  { socket, id }: { socket: Socket; id: string },
): void {
  if (error.code === "ECONNRESET" || !socket.writable || hasBeenAnswered(socket)) {
    socket.destroy();
    return;
  }
  const { status, reason, code, message } = brokenRequest(error.code);
  const body = JSON.stringify(errorDocument({ code, message }));
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\nconnection: close\r\ncontent-type: application/json\r\n` +
      `x-request-id: ${id}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** Node keeps the response it is writing on the socket; after its head, more bytes would be read as part of it. */
function hasBeenAnswered(socket: Socket & { _httpMessage?: ServerResponse | null }): boolean {
  return socket._httpMessage?.headersSent ?? false;
}

function brokenRequest(errno: string | undefined): {
  status: number;
  reason: string;
  code: ErrorCode;
  message: string;
} {
  switch (errno) {
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return {
        status: ERRORS.body_timeout.status,
        reason: "Request Timeout",
        code: "body_timeout",
        message: "The request took too long to arrive.",
      };
    case "HPE_HEADER_OVERFLOW":
      return {
        status: 431,
        reason: "Request Header Fields Too Large",
        code: "invalid_request",
        message: `The headers are longer than ${HEADER_BYTES_MAX} bytes.`,
      };
    default:
      return {
        status: ERRORS.invalid_request.status,
        reason: "Bad Request",
        code: "invalid_request",
        message: "This is not HTTP/1.1.",
      };
  }
}
