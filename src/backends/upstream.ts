/**
 * The narrow way in which dialects use HTTP: one request, read as it comes. Behind it is undici
 * today; whatever costs less per request may replace it without touching a dialect.
 */
export interface Upstream {
  /** Never throws: what goes wrong comes back through `reader.broken`, perhaps before this returns. */
  post(request: UpstreamRequest, reader: ResponseReader): UpstreamCall;
  /** Forget the connections to an origin that is gone. */
  release(origin: string): void;
  /** Close all connections at once. */
  close(): Promise<void>;
}

export interface UpstreamRequest {
  /** Scheme, host and port. */
  origin: string;
  /** `POST` if absent. */
  method?: "POST" | "DELETE";
  path: string;
  headers: Record<string, string>;
  body: string | Buffer;
}

/** By name in lower case. */
export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** Called in the order `head`, `data`…, and then either `end` or, at any time, `broken`. */
export interface ResponseReader {
  head(status: number, headers: ResponseHeaders): void;
  data(chunk: Buffer): void;
  /** The response is complete as far as HTTP can tell. */
  end(): void;
  /** No connection, or the connection failed. Whatever `wasSent` may have been read, and worked on. */
  broken(message: string, wasSent: boolean): void;
}

export interface UpstreamCall {
  /** Stop reading; the endpoint feels it as soon as the socket's buffers are full. */
  pause(): void;
  resume(): void;
  /** Close the connection; the reader is not called again. Harmless when all is over. */
  abort(): void;
}
